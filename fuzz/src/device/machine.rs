//! A fabric, its guests, and the checks after every step.

use ism::{Fabric, FunctionConfig, FunctionId, FunctionInfo};
use zpci_region::access::Instruction;
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::{Load, Path, Severity, Store};

use super::registered::Buffer;
use super::watch::{Cause, Guests, Told};
use crate::tape::Tape;

/// Returns the GID of function `n`.
pub(super) fn gid(n: usize) -> u64 {
    0x1500_0000_0000_0001 + n as u64
}

/// The functions, and the records of their observer.
#[derive(Debug)]
pub(super) struct Machine {
    fabric: Fabric,
    pub guests: Guests,
    pub functions: usize,
}

impl Machine {
    /// Reads the configuration: one byte for the number of functions, three bytes for each.
    pub(super) fn new(tape: &mut Tape<'_>) -> Self {
        let functions = 1 + usize::from(tape.u8() % 4);
        let configs = (0..functions).map(|n| config(n, tape)).collect();
        Self {
            fabric: Fabric::new(configs).expect("good configurations"),
            guests: Guests::new(functions),
            functions,
        }
    }

    /// Issues a PCISTB, or a BAR write, which stands for one.
    pub(super) fn store(&mut self, f: usize, path: Path, pcias: u8, offset: u64, data: &[u8]) {
        let instruction = Instruction::Pcistb;
        let store = Store {
            path,
            instruction,
            pcias,
            offset,
            data,
            gaddr: None,
        };
        self.carry_out(f, &store);
    }

    /// Issues a PCISTG of at most 8 bytes.
    pub(super) fn store_register(&mut self, f: usize, pcias: u8, offset: u64, data: &[u8]) {
        let (path, instruction) = (Path::Region, Instruction::Pcistg);
        let data = &data[..data.len().min(8)];
        let store = Store {
            path,
            instruction,
            pcias,
            offset,
            data,
            gaddr: None,
        };
        self.carry_out(f, &store);
    }

    /// Carries out a store, and checks what must hold whether it is refused or not.
    fn carry_out(&mut self, f: usize, store: &Store<'_>) {
        let (pcias, offset) = (store.pcias, store.offset);
        self.guests.cause = match pcias {
            0 => Cause::Move {
                gid: gid(f),
                offset,
                data: store.data.to_vec(),
            },
            _ => Cause::Other,
        };
        let before = self.shown();
        let mut told = Told::default();
        let result = self
            .fabric
            .store(FunctionId(f), store, &mut self.guests, &mut told);
        if result.is_err() {
            assert!(self.guests.log.is_empty(), "a refused store wrote memory");
            assert_eq!(
                (told.done.len(), told.moves),
                (0, 0),
                "a refused store was carried out"
            );
            assert_eq!(self.shown(), before, "a refused store changed the state");
        } else if pcias == 0 && !store.data.is_empty() {
            assert!(told.moves == 1 && store.instruction == Instruction::Pcistb);
        }
        self.after(&told);
    }

    /// Issues a load. Returns the bytes if it is not refused.
    pub(super) fn load(
        &mut self,
        f: usize,
        path: Path,
        pcias: u8,
        offset: u64,
        len: usize,
    ) -> Option<Vec<u8>> {
        self.guests.cause = Cause::Other;
        let load = Load {
            path,
            pcias,
            offset,
            len,
            gaddr: None,
        };
        let mut out = vec![0xaa; len];
        let mut told = Told::default();
        let result = self.fabric.load(FunctionId(f), &load, &mut out, &mut told);
        assert!(
            self.guests.log.is_empty() && told.done.is_empty(),
            "a load changed the state"
        );
        result.ok().map(|()| out)
    }

    /// Writes and reads configuration space.
    pub(super) fn configure(&mut self, f: usize, offset: u64, data: &[u8]) {
        let id = FunctionId(f);
        let inside = offset
            .checked_add(data.len() as u64)
            .is_some_and(|end| end <= 256);
        let mut before = [0; 256];
        self.fabric
            .config_read(id, 0, &mut before)
            .expect("all of it");
        let written = self.fabric.config_write(id, offset, data);
        assert_eq!(written.is_ok(), inside);
        let mut after = [0; 256];
        self.fabric
            .config_read(id, 0, &mut after)
            .expect("all of it");
        assert_eq!(after[..4], [0x14, 0x10, 0xed, 0x04]);
        if !inside {
            assert_eq!(after, before);
        }
    }

    /// Carries out a DEVICE_RESET.
    pub(super) fn reset(&mut self, f: usize) {
        self.guests.cause = Cause::Other;
        let mut told = Told::default();
        self.guests.registered.reset(f);
        self.fabric
            .reset(FunctionId(f), &mut self.guests, &mut told);
        self.after(&told);
    }

    /// Handles the departure of the client.
    pub(super) fn detach(&mut self, f: usize) {
        self.guests.cause = Cause::Other;
        let mut told = Told::default();
        self.fabric
            .detach(FunctionId(f), &mut self.guests, &mut told);
        assert!(!self.fabric.has_open_run(FunctionId(f)));
        self.after(&told);
    }

    /// Ends a run of pieces.
    pub(super) fn settle(&mut self, f: usize) {
        let mut told = Told::default();
        self.fabric.settle(FunctionId(f), &mut told);
        assert!(!self.fabric.has_open_run(FunctionId(f)));
    }

    fn shown(&self) -> Vec<FunctionInfo> {
        let shown = |id| self.fabric.function(id).expect("a function");
        self.fabric.ids().map(shown).collect()
    }

    /// Checks that the reported state agrees with the real one.
    fn after(&mut self, told: &Told) {
        self.guests.check_order();
        for (function, request, response) in &told.done {
            self.guests.registered.done(*function, request, response);
        }
        let registered = &self.guests.registered;
        let mut indexes = std::collections::BTreeSet::new();
        for (token, dmb) in self.fabric.dmbs() {
            assert!(
                token != 0 && token & 0xffff_0000_ffff_ffff == 0,
                "{token:#x}"
            );
            assert!((32..=1919).contains(&dmb.index) && (1..=1 << 20).contains(&dmb.len));
            assert!(
                indexes.insert((dmb.owner, dmb.index)),
                "two DMBs have one index"
            );
            let size = |f: FunctionId| self.fabric.config(f).expect("it").data_bar_size;
            assert!(
                self.fabric.ids().all(|f| token < size(f)),
                "the token {token:#x} does not fit every BAR"
            );
            let buffer = Buffer {
                owner: dmb.owner.0,
                rgid: dmb.rgid,
                iova: dmb.iova,
                len: dmb.len,
                index: dmb.index,
            };
            assert_eq!(registered.buffers.get(&token), Some(&buffer));
        }
        assert_eq!(self.fabric.dmbs().count(), registered.buffers.len());
        for (f, info) in self.shown().iter().enumerate() {
            assert_eq!(
                (info.sba, info.ieq),
                (registered.sba[f], registered.queue[f])
            );
            assert!(info.vlans.len() <= 64);
        }
    }
}

/// Reads the configuration of a function: flags, size of BAR 0, longest store block.
fn config(n: usize, tape: &mut Tape<'_>) -> FunctionConfig {
    let (flags, bar, longest) = (tape.u8(), tape.u8(), tape.pick(&[4096, 128, 8, 64, 1]));
    let mut config = FunctionConfig::new(format!("f{n}"), gid(n));
    let severity = match flags & 3 {
        1 => Some(Severity::Reject),
        2 => Some(Severity::Note),
        3 => Some(Severity::Off),
        _ => None,
    };
    for rule in &CATALOGUE {
        if let Some(severity) = severity {
            config.rules.set(rule.rule, severity);
        }
    }
    config.clp.relaxed = flags & 4 == 0;
    config.msix = flags & 8 == 0;
    config.contracts.region = flags & 16 == 0;
    config.contracts.bar = flags & 32 == 0;
    config.clp.maxstbl = longest;
    config.data_bar_size = 1 << (48 - bar % 16);
    config
}
