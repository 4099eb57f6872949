//! VERSION: u16 major, u16 minor, and capabilities as NUL-terminated JSON text.

use serde_json::{Map, Value};

use crate::error::{Errno, Refused};
use crate::limits::{self, Limits, MAX_VERSION_TEXT};
use crate::wire::{Put, Reader};

/// The only major version there is.
pub const MAJOR: u16 = 0;
/// Our minor version. QEMU refuses an answer above its own, which is 0 as well.
pub const MINOR: u16 = 0;
/// Page sizes that DMA maps are multiples of, and that QEMU proposes.
const PAGE: u64 = 4096;

/// A VERSION message.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<'a> {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// The JSON text without its NUL; empty when none was sent.
    pub text: &'a str,
}

impl<'a> Version<'a> {
    /// Reads the body. Text must be UTF-8 and end with its only NUL.
    pub fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("VERSION", body);
        let (major, minor) = (reader.u16()?, reader.u16()?);
        let text = match reader.rest() {
            [] => "",
            text if text.len() > MAX_VERSION_TEXT => {
                let len = text.len();
                return Err(Refused::invalid(format!(
                    "VERSION: {len} bytes of capabilities, at most {MAX_VERSION_TEXT} are taken"
                )));
            }
            [text @ .., 0] if !text.contains(&0) => std::str::from_utf8(text)
                .map_err(|_| Refused::invalid("VERSION: the capabilities are not UTF-8"))?,
            _ => {
                return Err(Refused::invalid(
                    "VERSION: the capabilities do not end with one NUL",
                ));
            }
        };
        Ok(Self { major, minor, text })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u16(self.major);
        out.put_u16(self.minor);
        if !self.text.is_empty() {
            out.extend_from_slice(self.text.as_bytes());
            out.push(0);
        }
    }

    /// The limits that both sides keep: the smaller of ours and the client's. Absent, empty and
    /// partial capabilities mean the defaults; wrong types and values are refused.
    pub fn negotiate(&self) -> Result<Negotiated, Refused> {
        if self.major != MAJOR {
            let (major, minor) = (self.major, self.minor);
            return Err(Refused::invalid(format!(
                "VERSION: the client speaks {major}.{minor}, expected {MAJOR}.{MINOR}"
            )));
        }
        let capabilities = capabilities(self.text)?;
        let ours = Limits::default();
        let mut unknown = Vec::new();
        let mut limits = ours;
        let mut write_multiple = false;
        for (key, value) in &capabilities {
            match key.as_str() {
                "max_msg_fds" => limits.max_msg_fds = number(key, value, 0, ours.max_msg_fds)?,
                "max_data_xfer_size" => {
                    limits.max_data_xfer_size = number(key, value, 1, ours.max_data_xfer_size)?;
                }
                "max_dma_maps" => limits.max_dma_maps = number(key, value, 1, ours.max_dma_maps)?,
                "pgsizes" => pages(key, value)?,
                "write_multiple" => {
                    write_multiple = value
                        .as_bool()
                        .ok_or_else(|| wrong(key, value, "a boolean"))?;
                }
                "migration" => migration(value)?,
                // A second socket for our commands is not offered.
                "twin_socket" => {}
                _ => unknown.push(key.clone()),
            }
        }
        Ok(Negotiated {
            limits,
            minor: MINOR,
            write_multiple,
            unknown,
        })
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Limits in force.
    pub limits: Limits,
    /// Minor version.
    pub minor: u16,
    /// The client knows REGION_WRITE_MULTI.
    pub write_multiple: bool,
    /// Capability keys of the client that mean nothing here.
    pub unknown: Vec<String>,
}

impl Negotiated {
    /// Appends the body of the answer, at most `room` bytes: QEMU receives it into the buffer of
    /// its own request. Keys are left out, least useful first, until the text fits.
    pub fn encode(&self, room: usize, out: &mut Vec<u8>) {
        out.put_u16(MAJOR);
        out.put_u16(self.minor);
        let mut keys: Vec<(&str, Value)> = vec![
            ("max_msg_fds", self.limits.max_msg_fds.into()),
            ("max_data_xfer_size", self.limits.max_data_xfer_size.into()),
            ("max_dma_maps", self.limits.max_dma_maps.into()),
            ("pgsizes", PAGE.into()),
        ];
        if self.write_multiple {
            keys.insert(0, ("write_multiple", true.into()));
        }
        while !keys.is_empty() {
            let object: Map<String, Value> = keys
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect();
            let text = serde_json::json!({ "capabilities": object }).to_string();
            // 4 bytes of version in front, NUL behind.
            if text.len().saturating_add(5) <= room {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
                return;
            }
            keys.pop();
        }
    }
}

fn capabilities(text: &str) -> Result<Map<String, Value>, Refused> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Refused::invalid(format!("VERSION: the capabilities are not JSON: {error}"))
    })?;
    let Value::Object(mut object) = value else {
        return Err(Refused::invalid(
            "VERSION: the capabilities are not a JSON object",
        ));
    };
    match object.remove("capabilities") {
        None => Ok(Map::new()),
        Some(Value::Object(capabilities)) => Ok(capabilities),
        Some(other) => Err(wrong("capabilities", &other, "an object")),
    }
}

fn wrong(key: &str, value: &Value, expected: &str) -> Refused {
    Refused::new(
        Errno::EINVAL,
        format!("VERSION: capability {key} is {value}, expected {expected}"),
    )
}

/// A number of at least `least`; more than `ours` means `ours`.
fn number(key: &str, value: &Value, least: u32, ours: u32) -> Result<u32, Refused> {
    match value.as_u64() {
        Some(number) if number >= u64::from(least) => {
            Ok(u32::try_from(number).unwrap_or(u32::MAX).min(ours))
        }
        _ => Err(wrong(
            key,
            value,
            &format!("a whole number of at least {least}"),
        )),
    }
}

/// A set of page sizes, as a bit mask: 4 KiB pages or multiples of them.
fn pages(key: &str, value: &Value) -> Result<(), Refused> {
    match value.as_u64() {
        Some(sizes) if sizes != 0 && sizes.is_multiple_of(PAGE) => Ok(()),
        _ => Err(wrong(key, value, "a multiple of 4096")),
    }
}

fn migration(value: &Value) -> Result<(), Refused> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong("migration", value, "an object"))?;
    for (key, value) in object {
        match key.as_str() {
            "pgsize" => pages("migration.pgsize", value)?,
            "max_bitmap_size" => {
                number(
                    "migration.max_bitmap_size",
                    value,
                    1,
                    limits::MAX_DATA_XFER_SIZE,
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What QEMU 11.1.3 proposes.
    const QEMU: &str = r#"{"capabilities":{"pgsizes":4096,"max_msg_fds":16,"max_dma_maps":65535,"max_data_xfer_size":1048576,"migration":{"max_bitmap_size":268435456,"pgsize":4096},"write_multiple":true}}"#;

    fn negotiate(text: &str) -> Result<Negotiated, Refused> {
        Version {
            major: 0,
            minor: 0,
            text,
        }
        .negotiate()
    }

    fn answer(text: &str, room: usize) -> (usize, String) {
        let mut out = Vec::new();
        negotiate(text).unwrap().encode(room, &mut out);
        let version = Version::decode(&out).unwrap();
        (out.len(), version.text.to_owned())
    }

    #[test]
    fn qemu_gets_everything_in_the_size_of_its_own_message() {
        let room = 4 + QEMU.len() + 1;
        let (len, text) = answer(QEMU, room);
        assert!(len <= room);
        for key in [
            "max_msg_fds",
            "max_data_xfer_size",
            "max_dma_maps",
            "pgsizes",
            "write_multiple",
        ] {
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn the_answer_never_outgrows_the_request() {
        for room in 4..260 {
            let mut out = Vec::new();
            negotiate(QEMU).unwrap().encode(room, &mut out);
            assert!(out.len() <= room, "{room}");
            Version::decode(&out).unwrap().negotiate().unwrap();
        }
    }

    #[test]
    fn absent_empty_and_partial_capabilities_mean_the_defaults() {
        for text in ["", "{}", r#"{"capabilities":{}}"#, r#"{"other":1}"#] {
            assert_eq!(negotiate(text).unwrap().limits, Limits::default(), "{text}");
        }
        let partial = negotiate(r#"{"capabilities":{"max_msg_fds":3,"colour":"blue"}}"#).unwrap();
        assert_eq!(
            partial.limits,
            Limits {
                max_msg_fds: 3,
                ..Limits::default()
            }
        );
        assert_eq!(partial.unknown, ["colour"]);
        let larger = negotiate(r#"{"capabilities":{"max_dma_maps":99999999999}}"#).unwrap();
        assert_eq!(larger.limits, Limits::default());
    }

    #[test]
    fn malformed_text_and_values_are_refused() {
        for text in [
            "x",
            "[]",
            "3",
            r#"{"capabilities":3}"#,
            r#"{"capabilities":{"max_msg_fds":"16"}}"#,
            r#"{"capabilities":{"max_msg_fds":-1}}"#,
            r#"{"capabilities":{"max_data_xfer_size":0}}"#,
            r#"{"capabilities":{"max_dma_maps":0}}"#,
            r#"{"capabilities":{"pgsizes":1024}}"#,
            r#"{"capabilities":{"pgsizes":0}}"#,
            r#"{"capabilities":{"write_multiple":1}}"#,
            r#"{"capabilities":{"migration":true}}"#,
            r#"{"capabilities":{"migration":{"pgsize":7}}}"#,
            r#"{"capabilities":{"max_msg_fds":1.5}}"#,
            r#"{"capabilities""#,
        ] {
            assert_eq!(negotiate(text).unwrap_err().errno, Errno::EINVAL, "{text}");
        }
    }

    #[test]
    fn text_must_end_with_its_only_nul() {
        for body in [
            &[0, 0, 0, 0, b'{', b'}'][..],
            &[0, 0, 0, 0, b'{', 0, b'}', 0],
            &[0, 0, 0, 0, 0xff, 0],
            &[0, 0, 0],
        ] {
            assert!(Version::decode(body).is_err(), "{body:?}");
        }
        assert_eq!(Version::decode(&[0, 0, 0, 0]).unwrap().text, "");
        assert_eq!(Version::decode(&[0, 0, 0, 0, 0]).unwrap().text, "");
        let mut long = vec![b' '; MAX_VERSION_TEXT + 4];
        long.push(0);
        assert!(Version::decode(&long).is_err());
    }

    #[test]
    fn another_major_version_is_refused_and_a_higher_minor_answered_with_ours() {
        let version = |major, minor| {
            Version {
                major,
                minor,
                text: "",
            }
            .negotiate()
        };
        assert_eq!(version(1, 0).unwrap_err().errno, Errno::EINVAL);
        assert_eq!(version(0, 7).unwrap().minor, 0);
    }
}
