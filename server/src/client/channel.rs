//! The instruction channel: a function's second socket, for a client that executes zPCI instructions.
//!
//! The channel speaks vfio-user with few commands: VERSION, DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, and
//! REGION_READ and REGION_WRITE of the zPCI I/O region. Any other command is refused with EPERM. Device,
//! rules, lock and order are those of the function's device client, which lends memory and takes interrupts;
//! the channel's client does neither. The channel works with or without a device client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use vfio_user_protocol::header::Command;
use vfio_user_protocol::{Errno, Header, Refused, Request};
use zpci_region::request::REGION_INDEX;

/// The suffix that turns the path of a function's socket into that of its instruction channel.
pub const SUFFIX: &str = ".insn";
/// The commands that the channel takes.
pub const COMMANDS: [Command; 5] = [
    Command::Version,
    Command::DeviceGetInfo,
    Command::DeviceGetRegionInfo,
    Command::RegionRead,
    Command::RegionWrite,
];

/// Returns the path of the channel's socket for the path of a function's socket.
pub fn socket_path(socket: &Path) -> PathBuf {
    let mut path = OsString::from(socket);
    path.push(SUFFIX);
    path.into()
}

/// Checks that the channel takes this command; the error is EPERM.
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

/// Checks that the channel takes this request; the error for any region but the zPCI I/O region is EPERM.
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
