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
    /// Name in errors and reports, unique in the fabric.
    pub name: String,
    /// GID of the function: not zero, unique in the fabric.
    pub gid: u64,
    /// The facts that CLP reports. The device uses `maxstbl`, `relaxed` and the DMA window.
    pub clp: ClpFacts,
    /// The ways of storing that the profile allows a client.
    pub contracts: Contracts,
    /// Severity of every rule.
    pub rules: RuleSet,
    /// True if the function has an MSI-X capability besides MSI. Its table is in BAR 4.
    pub msix: bool,
    /// Class code: base class, sub-class and interface in bits 23..0. The real function has 0.
    pub class: u32,
    /// Size of BAR 0 in bytes: a power of two from 2^33 (tokens start at bit 32) to 2^48.
    pub data_bar_size: u64,
}

impl FunctionConfig {
    /// Creates a relaxed function like the real one, except that it also has MSI-X.
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

    /// Size of BAR `bar` in bytes; `None` if the BAR does not exist or is the upper half of another.
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
    /// Number of events since the queue was registered.
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
    /// Number of commands that were answered.
    pub commands: u64,
    /// Number of those with a response code other than 0.
    pub failed_commands: u64,
    /// Number of this function's stores into DMBs.
    pub moves: u64,
    /// Bytes of those stores.
    pub moved_bytes: u64,
    /// Number of those stores with the signal flag.
    pub signals: u64,
    /// Number of events in this function's queue since the fabric was created.
    pub events: u64,
    /// Number of interrupts of this function.
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
    /// `None` if the rules about moves are off.
    pub moves: Option<MoveOrder>,
    pub smcd: Option<SmcdOrder>,
    pub totals: Totals,
    /// True if the client went away and no access came since.
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

/// The state of a function, as reports show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Position of the function in the fabric.
    pub id: FunctionId,
    /// Name of the function, unique in the fabric.
    pub name: String,
    /// GID of the function.
    pub gid: u64,
    /// Address of the SBA, if registered.
    pub sba: Option<u64>,
    /// Address of the event queue, if registered.
    pub ieq: Option<u64>,
    /// Number of DMBs that the function registered.
    pub dmbs_owned: usize,
    /// Number of DMBs that the function may write into.
    pub dmbs_used: usize,
    /// VLANs of which the function is a member, in ascending order.
    pub vlans: Vec<u16>,
    /// True if SET_VLAN limits the function to VLANs.
    pub vlan_required: bool,
    /// True if nobody has loaded the header of the last response yet.
    pub response_pending: bool,
    /// Totals since the fabric was created.
    pub totals: Totals,
}
