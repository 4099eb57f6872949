//! The instruction channel: a function's second socket, for what executes zPCI instructions.
//!
//! It speaks vfio-user with few commands: VERSION, DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, and
//! REGION_READ and REGION_WRITE of the zPCI I/O region. Anything else is EPERM. Device, rules, lock
//! and order are those of the function's other client, which brings memory and interrupts; the
//! channel brings neither. It works whether or not the other one is there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use vfio_user_protocol::header::Command;
use vfio_user_protocol::{Errno, Header, Refused, Request};
use zpci_region::request::REGION_INDEX;

/// The suffix of a function's socket that names its instruction channel.
pub const SUFFIX: &str = ".insn";
/// Commands that the channel takes.
pub const COMMANDS: [Command; 5] = [
    Command::Version,
    Command::DeviceGetInfo,
    Command::DeviceGetRegionInfo,
    Command::RegionRead,
    Command::RegionWrite,
];

/// The channel's socket beside a function's socket.
pub fn socket_path(socket: &Path) -> PathBuf {
    let mut path = OsString::from(socket);
    path.push(SUFFIX);
    path.into()
}

/// Whether the channel takes this command: EPERM if not.
pub fn permit_command(header: &Header) -> Result<(), Refused> {
    if COMMANDS
        .iter()
        .any(|command| *command as u16 == header.command)
    {
        return Ok(());
    }
    Err(forbidden(format!(
        "{}: the instruction channel takes only VERSION, DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, \
         REGION_READ and REGION_WRITE",
        header.name()
    )))
}

/// Whether the channel takes this request: EPERM if it is for another region than the zPCI I/O
/// region.
pub fn permit(request: &Request<'_>) -> Result<(), Refused> {
    let region = match request {
        Request::RegionRead(access) => access.region,
        Request::RegionWrite(write) => write.access.region,
        _ => return Ok(()),
    };
    if region == REGION_INDEX {
        return Ok(());
    }
    Err(forbidden(format!(
        "region {region}: the instruction channel takes accesses to region {REGION_INDEX} only"
    )))
}

fn forbidden(reason: String) -> Refused {
    Refused::new(Errno::EPERM, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_beside_the_socket() {
        assert_eq!(
            socket_path(Path::new("/run/a.sock")),
            Path::new("/run/a.sock.insn")
        );
    }
}
