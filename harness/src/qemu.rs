//! The parts of a QEMU command line that all s390x machines of this project share.

use std::ffi::OsString;
use std::path::Path;

use crate::accelerator::Accelerator;

/// The machine type.
const MACHINE: &str = "s390-ccw-virtio";

/// QEMU's driver for a function behind a socket.
const DRIVER: &str = "vfio-user-pci";

/// A growing QEMU command line, without QEMU's name.
#[derive(Debug)]
pub struct Line(Vec<OsString>);

impl Line {
    /// Begins a machine without devices, with `memory` bytes of memory in whole MiB. The memory is the file
    /// `file`, or a new memfd. Only the value of `-accel` depends on `accelerator`. `extra` are the user's
    /// own arguments, which [`Self::finish`] adds.
    pub fn machine(
        memory: u64,
        file: Option<&Path>,
        accelerator: Accelerator,
        extra: &[OsString],
    ) -> Self {
        let mut line = Self(Vec::new());
        line.add("-machine", format!("{MACHINE},memory-backend=ram"));
        // QEMU uses the first accelerator of a command line, so the user's choice replaces this one.
        if !extra.iter().any(|argument| argument == "-accel") {
            line.add("-accel", accelerator.name());
        }
        line.add("-cpu", "max");
        line.add("-m", format!("{}M", memory >> 20));
        let properties = format!(",id=ram,size={memory},share=on");
        let mut backend = OsString::from("memory-backend-memfd");
        if let Some(file) = file {
            backend = option("memory-backend-file,mem-path=", file);
        }
        backend.push(properties);
        line.add("-object", backend);
        line.flags(&["-nodefaults", "-display", "none"]);
        line
    }

    /// Adds an argument with its value.
    pub fn add(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.extend([flag.into(), value.into()]);
    }

    /// Adds arguments unchanged.
    pub fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(OsString::from));
    }

    /// Adds the function behind `socket`, as the device `id` with these zPCI ids.
    pub fn function(&mut self, id: &str, uid: u32, fid: u32, socket: &Path) {
        // KVM must pass the function's instructions to QEMU instead of interpreting them itself.
        let zpci = format!("zpci,uid={uid},fid={fid},target={id},interpret=off");
        self.add("-device", zpci);
        let device = serde_json::json!({
            "driver": DRIVER,
            "id": id,
            "socket": { "type": "unix", "path": socket.to_string_lossy() },
        });
        self.add("-device", device.to_string());
    }

    /// Returns all arguments, with `extra` at the end.
    #[must_use]
    pub fn finish(mut self, extra: &[OsString]) -> Vec<OsString> {
        self.0.extend_from_slice(extra);
        self.0
    }
}

/// Joins `prefix` and a path to a part of a QEMU option. Commas are doubled, because a single comma starts
/// the next part.
pub fn option(prefix: &str, path: &Path) -> OsString {
    let mut option = OsString::from(prefix);
    option.push(path.to_string_lossy().replace(',', ",,"));
    option
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{Accelerator, Line};

    fn arguments(file: Option<&str>, extra: &[&str]) -> Vec<String> {
        arguments_under(Accelerator::Tcg, file, extra)
    }

    fn arguments_under(
        accelerator: Accelerator,
        file: Option<&str>,
        extra: &[&str],
    ) -> Vec<String> {
        let extra: Vec<OsString> = extra.iter().map(OsString::from).collect();
        let mut line = Line::machine(128 << 20, file.map(Path::new), accelerator, &extra);
        line.function("ism3", 7, 8, Path::new("/tmp/a \"b\".sock"));
        let arguments = line.finish(&extra).into_iter();
        arguments.map(|a| a.into_string().unwrap()).collect()
    }

    #[test]
    fn the_socket_is_quoted_for_json() {
        let arguments = arguments(None, &[]);
        assert!(arguments.contains(&"zpci,uid=7,fid=8,target=ism3,interpret=off".to_owned()));
        let device = arguments.iter().find(|a| a.contains("vfio-user-pci"));
        let value: serde_json::Value = serde_json::from_str(device.unwrap()).unwrap();
        assert_eq!(value["socket"]["path"], "/tmp/a \"b\".sock");
        assert_eq!(value["id"], "ism3");
    }

    #[test]
    fn under_kvm_only_the_accelerator_differs() {
        let [tcg, kvm] = [Accelerator::Tcg, Accelerator::Kvm]
            .map(|accelerator| arguments_under(accelerator, Some("/m"), &["-trace", "x"]));
        let differ: Vec<_> = tcg.iter().zip(&kvm).filter(|(a, b)| a != b).collect();
        assert_eq!(differ, [(&"tcg".to_owned(), &"kvm".to_owned())]);
        assert_eq!(tcg.len(), kvm.len());
    }

    #[test]
    fn the_memory_is_shared_with_the_server() {
        for (file, backend) in [
            (None, "memory-backend-memfd"),
            (Some("/a,b"), "memory-backend-file,mem-path=/a,,b"),
        ] {
            let expected = format!("{backend},id=ram,size=134217728,share=on");
            let arguments = arguments(file, &[]);
            assert!(arguments.contains(&expected), "{arguments:?}");
        }
    }

    #[test]
    fn the_users_arguments_come_last_and_choose_the_accelerator() {
        let plain = arguments(None, &["-trace", "x"]);
        assert_eq!(plain.last().unwrap(), "x");
        assert!(plain.contains(&"tcg".to_owned()));
        let chosen = arguments(None, &["-accel", "tcg,thread=single"]);
        assert!(!chosen.contains(&"tcg".to_owned()));
    }
}
