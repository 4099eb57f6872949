//! A driver that issues accesses as Linux 6.12 does. It has its own copy of the layouts.

use ism::{Fabric, FunctionConfig, FunctionId, FunctionInfo};
use zpci_region::{Instruction, Load, Path, Refusal, Rule, Severity, Store};

use crate::guests::{Guests, Seen};

pub(crate) const GIDS: [u64; 3] = [
    0x1500_0000_0000_0001,
    0x1500_0000_0000_0002,
    0x1500_0000_0000_0003,
];
pub(crate) const SBA: u64 = 0x1_0000_0000;
pub(crate) const IEQ: u64 = 0x1_0000_1000;
pub(crate) const DMB: u64 = 0x2_0000_0000;

/// A fabric, its guests, and the records of their observer.
pub(crate) struct Machine {
    pub fabric: Fabric,
    pub guests: Guests,
    pub seen: Seen,
    pub path: Path,
}

/// Builds a request from a command code and the fields of its payload.
pub(crate) fn request(code: u32, payload: &[&[u8]]) -> Vec<u8> {
    let payload = payload.concat();
    let len = u16::try_from(8 + payload.len()).unwrap();
    let mut request = code.to_be_bytes().to_vec();
    request.extend([0, 0]);
    request.extend(len.to_be_bytes());
    request.extend(payload);
    request
}

impl Machine {
    pub(crate) fn new(functions: usize) -> Self {
        Self::with(functions, |_| {})
    }

    /// Like [`Self::new`], with a change to every configuration.
    pub(crate) fn with(functions: usize, change: impl Fn(&mut FunctionConfig)) -> Self {
        let configs = GIDS.iter().take(functions).enumerate().map(|(n, gid)| {
            let mut config = FunctionConfig::new(format!("ism{n}"), *gid);
            change(&mut config);
            config
        });
        Self {
            fabric: Fabric::new(configs.collect()).unwrap(),
            guests: Guests::default(),
            seen: Seen::default(),
            path: Path::Region,
        }
    }

    /// Creates a machine on which `rules` have this severity.
    pub(crate) fn with_rules(functions: usize, rules: &[Rule], severity: Severity) -> Self {
        Self::with(functions, |config| {
            for rule in rules {
                config.rules.set(*rule, severity);
            }
        })
    }

    pub(crate) fn store(
        &mut self,
        f: usize,
        pcias: u8,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Refusal> {
        let store = Store {
            path: self.path,
            instruction: Instruction::Pcistb,
            pcias,
            offset,
            data,
            gaddr: None,
        };
        self.fabric
            .store(FunctionId(f), &store, &mut self.guests, &mut self.seen)
    }

    pub(crate) fn load(
        &mut self,
        f: usize,
        pcias: u8,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>, Refusal> {
        let mut out = vec![0xaa; len];
        let load = Load {
            path: self.path,
            pcias,
            offset,
            len,
            gaddr: None,
        };
        self.fabric
            .load(FunctionId(f), &load, &mut out, &mut self.seen)?;
        Ok(out)
    }

    /// Issues a command in four steps: payload, header, response header, rest of the response. Returns the
    /// response code and the bytes after the header.
    #[track_caller]
    pub(crate) fn command(&mut self, f: usize, request: &[u8]) -> (u16, Vec<u8>) {
        let (header, payload) = request.split_at(8);
        if !payload.is_empty() {
            self.store(f, 2, 8, payload).unwrap();
        }
        self.store(f, 2, 0, header).unwrap();
        let response = self.load(f, 2, 0, 8).unwrap();
        assert_eq!(response[..4], header[..4], "the command is echoed");
        let code = u16::from_be_bytes([response[4], response[5]]);
        let len = u64::from(u16::from_be_bytes([response[6], response[7]]));
        assert!([8, 16, 200].contains(&len), "length {len}");
        let mut rest = Vec::new();
        for at in (8..len).step_by(8) {
            if code == 0 {
                rest.extend(self.load(f, 2, at, 8).unwrap());
            }
        }
        (code, rest)
    }

    /// Issues a command that must succeed. Returns the bytes after the response header.
    #[track_caller]
    pub(crate) fn done(&mut self, f: usize, request: &[u8]) -> Vec<u8> {
        let (code, rest) = self.command(f, request);
        assert_eq!(code, 0, "{request:x?}");
        rest
    }

    /// Registers the SBA and the event queue.
    pub(crate) fn probe(&mut self, f: usize) {
        self.done(f, &request(1, &[&SBA.to_be_bytes()]));
        self.done(
            f,
            &request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]),
        );
    }

    /// Registers a DMB at `DMB + index MiB` for the function with GID `rgid`. Returns its token.
    pub(crate) fn reg_dmb(&mut self, f: usize, index: u32, len: u32, rgid: u64) -> u64 {
        let iova = DMB + (u64::from(index) << 20);
        let rest = self.done(f, &reg_dmb(iova, len, index, rgid));
        u64::from_be_bytes(rest.try_into().unwrap())
    }

    pub(crate) fn info(&self, f: usize) -> FunctionInfo {
        self.fabric.function(FunctionId(f)).unwrap()
    }

    /// Ends a run of pieces. Returns the rules broken since the last call.
    pub(crate) fn broken(&mut self) -> Vec<&'static str> {
        for id in self.fabric.ids() {
            self.fabric.settle(id, &mut self.seen);
        }
        self.seen.rules()
    }
}

/// Builds a REG_DMB request as SMC sends it: a VLAN id that is marked invalid.
pub(crate) fn reg_dmb(iova: u64, len: u32, index: u32, rgid: u64) -> Vec<u8> {
    request(
        0x0a,
        &[
            &iova.to_be_bytes(),
            &len.to_be_bytes(),
            &index.to_be_bytes(),
            &0_u32.to_be_bytes(),
            &7_u32.to_be_bytes(),
            &rgid.to_be_bytes(),
        ],
    )
}

pub(crate) fn query_rgid(rgid: u64, vlan_valid: u32, vlan_id: u32) -> Vec<u8> {
    request(
        9,
        &[
            &rgid.to_be_bytes(),
            &vlan_valid.to_be_bytes(),
            &vlan_id.to_be_bytes(),
        ],
    )
}

pub(crate) fn signal_ieq(rgid: u64, trigger: u32, code: u32, info: u64) -> Vec<u8> {
    request(
        0x0e,
        &[
            &rgid.to_be_bytes(),
            &trigger.to_be_bytes(),
            &code.to_be_bytes(),
            &info.to_be_bytes(),
        ],
    )
}

/// Builds the offset of a data store.
pub(crate) fn target(token: u64, element: u8, signal: bool, offset: u32) -> u64 {
    token | u64::from(element) << 24 | u64::from(signal) << 23 | u64::from(offset)
}
