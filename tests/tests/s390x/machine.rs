//! Runs programs on an emulated s390x machine with Debian's kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use debian_fetch::Initramfs;
use vfio_user_ism_tests::qemu::{Linux, guest};

use crate::build::{Built, stripped};
use crate::toolchain::SYSROOT;

/// Guest memory in MiB. It holds all files.
const MEMORY: u32 = 3072;
/// Libraries that Rust's programs load. The last two are part of the C library since glibc 2.34.
const LIBRARIES: [&str; 6] = [
    "ld64.so.1",
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
];

/// The initramfs of a machine.
pub(crate) struct Content(Initramfs);

impl Content {
    /// Creates the content: busybox, the C library, the repository and the program itself, at the same paths
    /// as in the build.
    #[track_caller]
    pub(crate) fn new(built: &Built) -> Self {
        let mut content = Initramfs::new(&guest().busybox).expect("busybox");
        for library in LIBRARIES {
            if let Ok(bytes) = fs::read(Path::new(SYSROOT).join("lib").join(library)) {
                content = content.file(&format!("lib/{library}"), 0o755, bytes);
            }
        }
        content = content.file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\n");
        content = with_folder(content, &built.kept.repository);
        Self(content).with_program(&built.folder.join("vfio-user-ism"))
    }

    /// Adds a program without its symbols.
    #[track_caller]
    pub(crate) fn with_program(self, path: &Path) -> Self {
        let inside = path.to_str().expect("UTF-8");
        Self(self.0.file(inside, 0o755, stripped(path)))
    }

    /// Boots and runs shell commands, whose output goes to the console.
    #[track_caller]
    pub(crate) fn run(self, commands: &str) -> Linux {
        let init = format!(
            "mkdir -p /dev/shm /root /sys/kernel/security\nmount -t tmpfs none /dev/shm\n\
             mount -t tmpfs none /tmp\nmount -t securityfs none /sys/kernel/security\n\
             ip link set lo up\n{commands}\npoweroff -f"
        );
        // Kernel messages would mix with those of the tests.
        Linux::boot_into(
            &self.0.init(&init),
            MEMORY,
            "quiet loglevel=1",
            ["-smp", "2"],
        )
    }
}

/// Adds the files of a folder, at the same paths.
#[track_caller]
fn with_folder(mut content: Initramfs, folder: &Path) -> Initramfs {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            content = with_folder(content, &path);
        } else {
            let rights = fs::metadata(&path).expect("a file").permissions().mode();
            let bytes = fs::read(&path).expect("a file");
            let inside = path.to_str().expect("UTF-8");
            content = content.file(inside, rights, bytes);
        }
    }
    content
}
