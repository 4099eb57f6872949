//! OpenPGP signatures, to the extent that Debian's archive uses them (source: RFC 9580): version 4 keys and
//! signatures, RSA and Ed25519, SHA-2. Everything else counts as unknown.
//!
//! A library for all of OpenPGP would bring some 150 crates; the arithmetic here is ring's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use ring::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};

const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const RSA: [u8; 2] = [1, 3];
const EDDSA: u8 = 22;
const ED25519_NATIVE: u8 = 27;
/// The curve of an EdDSA key: Ed25519.
const ED25519_OID: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    fingerprint: [u8; 20],
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl Key {
    /// The fingerprint in upper-case hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&self.fingerprint).to_ascii_uppercase()
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut rest = Reader(body);
        if rest.byte()? != 4 {
            return None;
        }
        rest.take(4)?;
        let algorithm = rest.byte()?;
        let material = if RSA.contains(&algorithm) {
            let (n, e) = (rest.number()?, rest.number()?);
            Material::Rsa {
                n: n.to_vec(),
                e: e.to_vec(),
            }
        } else if algorithm == EDDSA {
            let length = usize::from(rest.byte()?);
            if rest.take(length)? != ED25519_OID {
                return None;
            }
            Material::Ed25519(rest.number()?.strip_prefix(&[0x40])?.to_vec())
        } else if algorithm == ED25519_NATIVE {
            Material::Ed25519(rest.take(32)?.to_vec())
        } else {
            return None;
        };
        let length = u16::try_from(body.len()).ok()?.to_be_bytes();
        let hash = [&[0x99], length.as_slice(), body].concat();
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &hash);
        Some(Self {
            fingerprint: hash.as_ref().try_into().ok()?,
            material,
        })
    }
}

/// The public keys in a keyring, binary or in ASCII armour. Skips keys of an unknown kind.
pub(crate) fn keys(data: &[u8]) -> Vec<Key> {
    let text = std::str::from_utf8(data).unwrap_or_default();
    let bytes = if text.contains("-----BEGIN PGP") {
        let blocks = text.split("-----BEGIN PGP").skip(1);
        blocks.filter_map(unarmoured).flatten().collect()
    } else {
        data.to_vec()
    };
    let packets = packets(&bytes).into_iter();
    // Tags of public keys and public subkeys.
    let packets = packets.filter(|(tag, _)| [6, 14].contains(tag));
    packets.filter_map(|(_, body)| Key::read(body)).collect()
}

/// The text that `message` signs in clear text. One of `keys` must have signed it.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn signed_text(message: &str, keys: &[Key]) -> Result<String, String> {
    let rest = message
        .strip_prefix(SIGNED)
        .ok_or("it does not start with a signed message")?;
    let (whole, signature) = rest.rsplit_once(SIGNATURE).ok_or("it has no signature")?;
    let (_, text) = whole
        .split_once("\n\n")
        .or_else(|| whole.split_once("\r\n\r\n"))
        .ok_or("it has no text")?;
    let lines = text
        .lines()
        .map(|line| line.strip_prefix("- ").unwrap_or(line));
    let lines: Vec<_> = lines
        .map(|line| line.trim_end_matches([' ', '\t', '\r']))
        .collect();
    let signature = unarmoured(signature).ok_or("its signature is torn")?;
    check(lines.join("\r\n").as_bytes(), &signature, keys)?;
    Ok(lines.join("\n"))
}

/// Checks a signature in a separate file.
///
/// # Errors
/// As [`signed_text`].
pub(crate) fn check_detached(data: &[u8], signature: &[u8], keys: &[Key]) -> Result<(), String> {
    let text = std::str::from_utf8(signature).unwrap_or_default();
    let binary = match text.split_once(SIGNATURE) {
        Some((_, armoured)) => unarmoured(armoured).ok_or("its signature is torn")?,
        None => signature.to_vec(),
    };
    check(data, &binary, keys)
}

/// At least one known key must have signed, and no signature of a known key may be wrong.
fn check(data: &[u8], signatures: &[u8], keys: &[Key]) -> Result<(), String> {
    let (mut good, mut unknown) = (0, Vec::new());
    for (tag, body) in packets(signatures) {
        if tag != 2 {
            continue;
        }
        let Some(signature) = Signature::read(body) else {
            unknown.push("a signature of an unknown kind".to_owned());
            continue;
        };
        let key = keys
            .iter()
            .find(|key| key.fingerprint.ends_with(&signature.issuer));
        let Some(key) = key else {
            unknown.push(hex(&signature.issuer).to_ascii_uppercase());
            continue;
        };
        if !signature.is_by(key, data) {
            return Err(format!(
                "the signature of key {} is wrong",
                key.fingerprint()
            ));
        }
        good += 1;
    }
    match (good, unknown.is_empty()) {
        (0, true) => Err("it has no signature".to_owned()),
        (0, false) => Err(format!(
            "no known key signed it, but {}",
            unknown.join(", ")
        )),
        _ => Ok(()),
    }
}

struct Signature<'a> {
    /// The last eight bytes of the key's fingerprint.
    issuer: Vec<u8>,
    hash: u8,
    /// The bytes to hash after the data.
    trailer: Vec<u8>,
    algorithm: u8,
    values: &'a [u8],
}

impl<'a> Signature<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(body);
        let (version, kind) = (rest.byte()?, rest.byte()?);
        // Types of signatures on a document, binary or text, and not on a key.
        if version != 4 || kind > 1 {
            return None;
        }
        let (algorithm, hash) = (rest.byte()?, rest.byte()?);
        let length = rest.short()?;
        let hashed = rest.take(length)?;
        let length = rest.short()?;
        let plain = rest.take(length)?;
        let issuer = issuer(hashed).or_else(|| issuer(plain))?;
        rest.take(2)?;
        let head = body.get(..hashed.len() + 6)?;
        let size = u32::try_from(head.len()).ok()?.to_be_bytes();
        Some(Self {
            issuer,
            hash,
            trailer: [head, &[4, 0xff], &size].concat(),
            algorithm,
            values: rest.0,
        })
    }

    fn is_by(&self, key: &Key, data: &[u8]) -> bool {
        self.verify(key, &[data, &self.trailer].concat()).is_some()
    }

    fn verify(&self, key: &Key, message: &[u8]) -> Option<()> {
        let (rsa, hash): (&RsaParameters, _) = match self.hash {
            8 => (&RSA_PKCS1_2048_8192_SHA256, &digest::SHA256),
            9 => (&RSA_PKCS1_2048_8192_SHA384, &digest::SHA384),
            10 => (&RSA_PKCS1_2048_8192_SHA512, &digest::SHA512),
            _ => return None,
        };
        let mut values = Reader(self.values);
        match &key.material {
            Material::Rsa { n, e } if RSA.contains(&self.algorithm) => {
                let signature = padded(values.number()?, n.len())?;
                RsaPublicKeyComponents { n, e }
                    .verify(rsa, message, &signature)
                    .ok()
            }
            Material::Ed25519(point) => {
                let signature = match self.algorithm {
                    EDDSA => {
                        [padded(values.number()?, 32)?, padded(values.number()?, 32)?].concat()
                    }
                    ED25519_NATIVE => values.take(64)?.to_vec(),
                    _ => return None,
                };
                let hash = digest::digest(hash, message);
                UnparsedPublicKey::new(&ED25519, point)
                    .verify(hash.as_ref(), &signature)
                    .ok()
            }
            Material::Rsa { .. } => None,
        }
    }
}

/// The last eight bytes of the signer's fingerprint, from subpackets.
fn issuer(subpackets: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Reader(subpackets);
    while let Some(length) = rest.length() {
        let body = rest.take(length)?;
        match body.split_first() {
            Some((16, id)) if id.len() == 8 => return Some(id.to_vec()),
            Some((33, [4, print @ ..])) if print.len() == 20 => {
                return Some(print.get(12..)?.to_vec());
            }
            _ => {}
        }
    }
    None
}

/// A big-endian number as `length` bytes.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([vec![0; zeros].as_slice(), number].concat())
}

/// Type and content of each packet. Skips an incomplete packet at the end.
fn packets(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut rest = Reader(bytes);
    let mut found = Vec::new();
    while let Some(packet) = rest.packet() {
        found.push(packet);
    }
    found
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<usize> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    }

    fn long(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    /// A number that follows its length in bits, without leading zeros.
    fn number(&mut self) -> Option<&'a [u8]> {
        let bits = self.short()?;
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..)
    }

    /// The length of a new packet's body or of a subpacket.
    fn length(&mut self) -> Option<usize> {
        match usize::from(self.byte()?) {
            first @ 0..192 => Some(first),
            first @ 192..224 => Some(((first - 192) << 8) + usize::from(self.byte()?) + 192),
            255 => self.long(),
            // Two bytes of a subpacket, or a partial length of a packet, which signatures never have.
            first => Some(((first - 192) << 8) + usize::from(self.byte()?) + 192),
        }
    }

    fn packet(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.byte()?;
        let (tag, length) = match (head & 0x80 != 0, head & 0x40 != 0) {
            (false, _) => return None,
            (true, true) => (head & 0x3f, self.length()?),
            (true, false) => {
                let length = match head & 3 {
                    0 => usize::from(self.byte()?),
                    1 => self.short()?,
                    2 => self.long()?,
                    _ => return None,
                };
                ((head >> 2) & 0x0f, length)
            }
        };
        Some((tag, self.take(length)?))
    }
}

/// The bytes of an armoured block, after its first line.
fn unarmoured(text: &str) -> Option<Vec<u8>> {
    let body = text.split("-----END").next()?;
    // Headers end with an empty line; the check sum starts with `=`.
    let lines: Vec<_> = body.lines().skip(1).map(str::trim).collect();
    let start = lines
        .iter()
        .position(|line| line.is_empty())
        .map_or(0, |at| at + 1);
    let data = lines
        .iter()
        .skip(start)
        .take_while(|line| !line.starts_with('='));
    STANDARD.decode(data.copied().collect::<String>()).ok()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
