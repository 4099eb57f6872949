//! The fourteen commands: code, name and request length.
//!
//! Source: Linux 6.12 `drivers/s390/net/ism.h`, identical in 7.2. 0x0c, 0x0d, 0x0f and 0x10 are
//! not defined there.

macro_rules! commands {
    ($($command:ident $code:literal $name:literal $request:literal)*) => {
        /// A command of the function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the table gives name and length of each")]
        pub enum Command { $($command),* }

        impl Command {
            /// Every command, by ascending code.
            pub const ALL: &'static [Command] = &[$(Command::$command),*];

            /// Returns the command with this code, if there is one.
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Command::$command),)*
                    _ => None,
                }
            }

            /// The command's code in a request header.
            pub const fn code(self) -> u32 {
                match self { $(Command::$command => $code),* }
            }

            /// The command's name in the driver, without its prefix.
            pub const fn name(self) -> &'static str {
                match self { $(Command::$command => $name),* }
            }

            /// Length of the command's request in bytes, header included.
            pub const fn request_len(self) -> usize {
                match self { $(Command::$command => $request),* }
            }
        }
    };
}

commands! {
    RegSba    0x01 "REG_SBA"     16
    RegIeq    0x02 "REG_IEQ"     24
    ReadGid   0x03 "READ_GID"    8
    AddVlanId 0x04 "ADD_VLAN_ID" 16
    DelVlanId 0x05 "DEL_VLAN_ID" 16
    SetVlan   0x06 "SET_VLAN"    8
    ResetVlan 0x07 "RESET_VLAN"  8
    QueryInfo 0x08 "QUERY_INFO"  8
    QueryRgid 0x09 "QUERY_RGID"  24
    RegDmb    0x0a "REG_DMB"     40
    UnregDmb  0x0b "UNREG_DMB"   16
    SignalIeq 0x0e "SIGNAL_IEQ"  32
    UnregSba  0x11 "UNREG_SBA"   8
    UnregIeq  0x12 "UNREG_IEQ"   8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_code() {
        for command in Command::ALL {
            assert_eq!(Command::from_code(command.code()), Some(*command));
        }
        assert_eq!(Command::ALL.len(), 14);
        for undefined in [0, 0x0c, 0x0d, 0x0f, 0x10, 0x13, u32::MAX] {
            assert_eq!(Command::from_code(undefined), None);
        }
    }
}
