//! One function: its configuration and its state.

use std::collections::BTreeSet;

use zpci_region::shape::{BarRole, BarShape, Contracts, ShapeConfig};
use zpci_region::{ClpFacts, RuleSet, ShapeChecker};

use crate::command::window::Window;
use crate::config_space::ConfigSpace;
use crate::data_move::order::MoveOrder;
use crate::data_move::smcd::SmcdOrder;
use crate::id::FunctionId;
use crate::layout::{
    COMMAND_BAR, COMMAND_BAR_SIZE, DATA_BAR, DATA_BAR_SIZE, MSIX_BAR, MSIX_BAR_SIZE,
};
use crate::msix::MsixTable;

/// The configuration of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfig {
    /// Name for errors and reports; unique in the fabric.
    pub name: String,
    /// GID: not zero, unique in the fabric.
    pub gid: u64,
    /// Its CLP facts. The device uses `maxstbl`, `relaxed` and the DMA window.
    pub clp: ClpFacts,
    /// The ways of storing that a well-behaved client uses.
    pub contracts: Contracts,
    /// Severity of every rule.
    pub rules: RuleSet,
    /// Whether the function has an MSI-X capability, with its table in BAR 4, besides MSI.
    pub msix: bool,
    /// Class code: base class, sub-class and interface in bits 23..0. The real one has 0.
    pub class: u32,
    /// Size of BAR 0 in bytes: a power of two from 2^33 (tokens start at bit 32) to 2^48.
    pub data_bar_size: u64,
}

impl FunctionConfig {
    /// A relaxed function like the real one, except that it has MSI-X too.
    pub fn new(name: impl Into<String>, gid: u64) -> Self {
        Self {
            name: name.into(),
            gid,
            clp: ClpFacts::default(),
            contracts: Contracts {
                region: true,
                bar: true,
            },
            rules: RuleSet::default(),
            msix: true,
            class: 0,
            data_bar_size: DATA_BAR_SIZE,
        }
    }

    /// Size of BAR `bar` in bytes; `None` for one that does not exist or is the upper half of
    /// another.
    pub fn bar_size(&self, bar: u8) -> Option<u64> {
        match bar {
            DATA_BAR => Some(self.data_bar_size),
            COMMAND_BAR => Some(COMMAND_BAR_SIZE),
            MSIX_BAR => self.msix.then_some(MSIX_BAR_SIZE),
            _ => None,
        }
    }

    fn shape(&self) -> ShapeConfig {
        let bar = |number, role| self.bar_size(number).map(|size| BarShape { size, role });
        ShapeConfig {
            maxstbl: self.clp.maxstbl,
            relaxed: self.clp.relaxed,
            contracts: self.contracts,
            bars: [
                bar(DATA_BAR, BarRole::Data),
                None,
                bar(COMMAND_BAR, BarRole::Command),
                None,
                bar(MSIX_BAR, BarRole::Other),
                None,
            ],
            rules: self.rules.clone(),
        }
    }

    fn config_space(&self) -> ConfigSpace {
        let bars: Vec<(u8, u64)> = [DATA_BAR, COMMAND_BAR, MSIX_BAR]
            .into_iter()
            .filter_map(|bar| Some((bar, self.bar_size(bar)?)))
            .collect();
        ConfigSpace::new(self.class, &bars, self.msix.then_some(MSIX_BAR))
    }
}

/// A registered event queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventQueue {
    pub iova: u64,
    /// Events put into it since it was registered.
    pub events: u64,
}

/// The registrations that a driver has made. A reset ends all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registrations {
    pub sba: Option<u64>,
    pub ieq: Option<EventQueue>,
    pub vlans: BTreeSet<u16>,
    pub vlan_required: bool,
}

/// Totals since the fabric was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commands answered.
    pub commands: u64,
    /// Of those, with a response code other than 0.
    pub failed_commands: u64,
    /// Stores of this function into DMBs.
    pub moves: u64,
    /// Bytes of them.
    pub moved_bytes: u64,
    /// Of the moves, with the signal flag.
    pub signals: u64,
    /// Events put into this function's queue.
    pub events: u64,
    /// Interrupts raised to this function.
    pub interrupts: u64,
}

/// A function and its state.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub config: FunctionConfig,
    pub space: ConfigSpace,
    pub msix: MsixTable,
    pub shape: ShapeChecker,
    pub window: Window,
    pub registered: Registrations,
    /// `None` if their rules are off.
    pub moves: Option<MoveOrder>,
    pub smcd: Option<SmcdOrder>,
    pub totals: Totals,
    /// Its client went away, and no access came since.
    pub gone: bool,
}

impl Function {
    pub(crate) fn new(config: FunctionConfig) -> Self {
        Self {
            space: config.config_space(),
            msix: MsixTable::default(),
            shape: ShapeChecker::new(config.shape()),
            window: Window::default(),
            registered: Registrations::default(),
            moves: MoveOrder::watching(&config.rules),
            smcd: SmcdOrder::watching(&config.rules),
            totals: Totals::default(),
            gone: false,
            config,
        }
    }

    /// Returns to the state after power-on. The totals stay.
    pub(crate) fn reset(&mut self) {
        self.space.reset();
        self.msix = MsixTable::default();
        self.window = Window::default();
        self.registered = Registrations::default();
        self.gone = false;
        self.moves = MoveOrder::watching(&self.config.rules);
        self.smcd = SmcdOrder::watching(&self.config.rules);
    }

    /// Forgets the moves into a DMB that was unregistered.
    pub(crate) fn forget(&mut self, token: u64) {
        if let Some(moves) = &mut self.moves {
            moves.forget(token);
        }
        if let Some(smcd) = &mut self.smcd {
            smcd.forget(token);
        }
    }
}

/// A function as reports show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Position in the fabric.
    pub id: FunctionId,
    /// Its name.
    pub name: String,
    /// Its GID.
    pub gid: u64,
    /// Address of its SBA, if registered.
    pub sba: Option<u64>,
    /// Address of its event queue, if registered.
    pub ieq: Option<u64>,
    /// DMBs that it registered.
    pub dmbs_owned: usize,
    /// DMBs that it may write into.
    pub dmbs_used: usize,
    /// VLAN ids it is a member of, ascending.
    pub vlans: Vec<u16>,
    /// Whether it talks inside VLANs only (SET_VLAN).
    pub vlan_required: bool,
    /// Whether a response waits whose header nobody has loaded.
    pub response_pending: bool,
    /// Totals since the fabric was made.
    pub totals: Totals,
}
