//! The fabric: several functions that can write into each other's buffers and signal each other.

use std::collections::BTreeSet;

use zpci_region::access::{Failure, Load, Refusal, Store};

use crate::FunctionId;
use crate::access;
use crate::config_space::ConfigError;
use crate::dmb::{Dmb, DmbTable};
use crate::event::{Event, VECTOR};
use crate::function::{Function, FunctionConfig, FunctionInfo};
use crate::host::Host;
use crate::layout::DATA_BAR_SIZE;
use crate::record::DeviceObserver;

/// Smallest data BAR: one token bit, which is bit 32.
const DATA_BAR_MIN: u64 = 1 << 33;

/// Functions that do not make a fabric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages tell")]
pub enum FabricError {
    /// GID 0 means "no GID" to drivers.
    #[error("function {name}: GID 0, expected another value")]
    ZeroGid { name: String },
    /// GIDs are addresses.
    #[error("functions {first} and {second}: both have GID {gid:#x}, expected different ones")]
    DuplicateGid {
        first: String,
        second: String,
        gid: u64,
    },
    /// Names identify functions in reports.
    #[error("two functions are called {name}, expected different names")]
    DuplicateName { name: String },
    /// Tokens stand in bits 32 and up of an offset into the data BAR.
    #[error(
        "function {name}: data BAR of {size:#x} bytes, expected a power of two from 2^33 to 2^48"
    )]
    DataBarSize { name: String, size: u64 },
}

/// The functions of one machine that share a CHID.
///
/// Pure and deterministic: what it asks of its surroundings goes through [`Host`], what it has to
/// tell through [`DeviceObserver`], both arguments of every call.
#[derive(Clone, Debug)]
pub struct Fabric {
    functions: Vec<Function>,
    pub(crate) dmbs: DmbTable,
    /// Pairs, lower id first, of functions joined by a DMB since either last went away.
    relations: BTreeSet<(FunctionId, FunctionId)>,
}

impl Fabric {
    /// Makes functions with ids 0, 1, ... in the order given.
    pub fn new(configs: Vec<FunctionConfig>) -> Result<Self, FabricError> {
        for (at, config) in configs.iter().enumerate() {
            check(config, configs.get(..at).unwrap_or_default())?;
        }
        let smallest = configs.iter().map(|config| config.data_bar_size).min();
        Ok(Self {
            dmbs: DmbTable::new(smallest.unwrap_or(DATA_BAR_SIZE)),
            functions: configs.into_iter().map(Function::new).collect(),
            relations: BTreeSet::new(),
        })
    }

    /// Carries out a store into a BAR, with every command, move and event that it causes.
    ///
    /// `Err` means that it had no effect: a rule rejects it or it cannot be carried out.
    pub fn store(
        &mut self,
        id: FunctionId,
        store: &Store<'_>,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) -> Result<(), Refusal> {
        access::store(self, id, store, host, observer)
    }

    /// Carries out a load from a BAR into `out`, `load.len` bytes in the order in which the guest
    /// would find them in memory.
    ///
    /// A long load through a BAR stands for naturally aligned pieces of 8, 4, 2 and 1 bytes; as
    /// loads change nothing, the bytes are the same. The device writes no memory for a load;
    /// `host` is taken so that all accesses are called alike.
    pub fn load(
        &mut self,
        id: FunctionId,
        load: &Load,
        out: &mut [u8],
        _host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) -> Result<(), Refusal> {
        access::load(self, id, load, out, observer)
    }

    /// Reads configuration space; any bytes inside its 256.
    pub fn config_read(
        &self,
        id: FunctionId,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), ConfigError> {
        let missing = ConfigError {
            offset,
            len: out.len(),
        };
        self.get(id).ok_or(missing)?.space.read(offset, out)
    }

    /// Writes configuration space; read-only bits ignore it.
    pub fn config_write(
        &mut self,
        id: FunctionId,
        offset: u64,
        data: &[u8],
    ) -> Result<(), ConfigError> {
        let missing = ConfigError {
            offset,
            len: data.len(),
        };
        let function = self.get_mut(id).ok_or(missing)?;
        function.gone = false;
        function.space.write(offset, data)
    }

    /// Resets a function: registrations, DMBs, VLANs, command window and configuration space are
    /// as after power-on. Peers that share a DMB with it get a GID event.
    pub fn reset(
        &mut self,
        id: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        self.settle(id, observer);
        for token in self.dmbs.remove_owned(id) {
            self.forget(token);
        }
        if let Some(function) = self.get_mut(id) {
            function.reset();
            function.gone = false;
        }
        self.tell_peers(id, host, observer);
    }

    /// The client of a function went away. Its state stays for the next one; peers that share a
    /// DMB with it get a GID event, and do not find it reachable until something is heard of it.
    pub fn detach(
        &mut self,
        id: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        self.settle(id, observer);
        if let Some(function) = self.get_mut(id) {
            function.gone = true;
        }
        self.tell_peers(id, host, observer);
    }

    /// Ends a run of pieces that might have gone on, and reports it: the function was idle.
    pub fn settle(&mut self, id: FunctionId, observer: &mut dyn DeviceObserver) {
        if let Some(function) = self.get_mut(id) {
            function.shape.settle(observer);
        }
    }

    /// Whether [`settle`](Self::settle) is due when nothing more is to come.
    pub fn has_open_run(&self, id: FunctionId) -> bool {
        self.get(id).is_some_and(|f| f.shape.has_open_run())
    }

    /// Every function's id, in order.
    pub fn ids(&self) -> impl Iterator<Item = FunctionId> + use<> {
        (0..self.functions.len()).map(FunctionId)
    }

    /// What a function was made with.
    pub fn config(&self, id: FunctionId) -> Option<&FunctionConfig> {
        self.get(id).map(|function| &function.config)
    }

    /// A function as it is now.
    pub fn function(&self, id: FunctionId) -> Option<FunctionInfo> {
        let function = self.get(id)?;
        let gid = function.config.gid;
        let registered = &function.registered;
        Some(FunctionInfo {
            id,
            name: function.config.name.clone(),
            gid,
            sba: registered.sba,
            ieq: registered.ieq.map(|queue| queue.iova),
            dmbs_owned: self.dmbs.iter().filter(|(_, dmb)| dmb.owner == id).count(),
            dmbs_used: self.dmbs.iter().filter(|(_, dmb)| dmb.rgid == gid).count(),
            vlans: registered.vlans.iter().copied().collect(),
            vlan_required: registered.vlan_required,
            response_pending: function.window.unread(),
            totals: function.totals,
        })
    }

    /// Registered DMBs with their tokens.
    pub fn dmbs(&self) -> impl Iterator<Item = (u64, &Dmb)> {
        self.dmbs.iter()
    }

    /// The function with this GID.
    pub fn by_gid(&self, gid: u64) -> Option<FunctionId> {
        let at = self.functions.iter().position(|f| f.config.gid == gid);
        at.map(FunctionId)
    }

    pub(crate) fn get(&self, id: FunctionId) -> Option<&Function> {
        self.functions.get(id.0)
    }

    pub(crate) fn get_mut(&mut self, id: FunctionId) -> Option<&mut Function> {
        self.functions.get_mut(id.0)
    }

    /// Name of a function, for messages.
    pub(crate) fn name(&self, id: FunctionId) -> &str {
        self.get(id).map_or("nobody", |f| f.config.name.as_str())
    }

    /// The function that may write into a DMB, if the fabric has it.
    fn user(&self, dmb: &Dmb) -> Option<FunctionId> {
        self.by_gid(dmb.rgid)
    }

    /// Notes that owner and user of a new DMB have to do with each other.
    pub(crate) fn relate(&mut self, dmb: &Dmb) {
        if let Some(user) = self.user(dmb).filter(|user| *user != dmb.owner) {
            self.relations.insert(pair(dmb.owner, user));
        }
    }

    /// Notes that a DMB is gone; owner and user part if it was the last between them.
    pub(crate) fn unrelate(&mut self, gone: &Dmb) {
        let Some(user) = self.user(gone) else { return };
        let between = pair(gone.owner, user);
        let joins = |dmb: &Dmb| {
            self.user(dmb)
                .is_some_and(|user| pair(dmb.owner, user) == between)
        };
        if !self.dmbs.iter().any(|(_, dmb)| joins(dmb)) {
            self.relations.remove(&between);
        }
    }

    /// Forgets what functions did to a DMB that is no more.
    pub(crate) fn forget(&mut self, token: u64) {
        for function in &mut self.functions {
            function.forget(token);
        }
    }

    /// Sends a GID event about `id` to every function it shares a DMB with, once: they part.
    pub(crate) fn tell_peers(
        &mut self,
        id: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        let Some(gid) = self.get(id).map(|function| function.config.gid) else {
            return;
        };
        let peers: Vec<FunctionId> = self
            .relations
            .iter()
            .filter_map(|(a, b)| match (*a == id, *b == id) {
                (true, _) => Some(*b),
                (_, true) => Some(*a),
                _ => None,
            })
            .collect();
        self.relations.retain(|(a, b)| *a != id && *b != id);
        for peer in peers {
            // One that has no queue, or no memory any more, misses it: the observer is told.
            let _ = Event::gid_disabled(gid).deliver(self, id, peer, host, observer);
        }
    }

    /// Raises the interrupt of a function.
    pub(crate) fn interrupt(
        &mut self,
        to: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        if let Some(function) = self.get_mut(to) {
            function.totals.interrupts = function.totals.interrupts.saturating_add(1);
        }
        host.interrupt(to, VECTOR);
        observer.interrupt(to, VECTOR);
    }
}

/// The refusal of an access to a function that is not on the fabric.
pub(crate) fn no_function(id: FunctionId) -> Refusal {
    Refusal {
        failure: Failure::NoDevice,
        rule: None,
        reason: format!("there is no function {} on the fabric", id.0),
    }
}

fn pair(a: FunctionId, b: FunctionId) -> (FunctionId, FunctionId) {
    (a.min(b), a.max(b))
}

fn check(config: &FunctionConfig, before: &[FunctionConfig]) -> Result<(), FabricError> {
    let FunctionConfig {
        name,
        gid,
        data_bar_size: size,
        ..
    } = config;
    if *gid == 0 {
        return Err(FabricError::ZeroGid { name: name.clone() });
    }
    if !size.is_power_of_two() || !(DATA_BAR_MIN..=DATA_BAR_SIZE).contains(size) {
        return Err(FabricError::DataBarSize {
            name: name.clone(),
            size: *size,
        });
    }
    if before.iter().any(|other| other.name == *name) {
        return Err(FabricError::DuplicateName { name: name.clone() });
    }
    match before.iter().find(|other| other.gid == *gid) {
        Some(other) => Err(FabricError::DuplicateGid {
            first: other.name.clone(),
            second: name.clone(),
            gid: *gid,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gids_are_unique_and_not_zero() {
        let error = Fabric::new(vec![FunctionConfig::new("a", 0)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "function a: GID 0, expected another value"
        );
        let pair = vec![FunctionConfig::new("a", 5), FunctionConfig::new("b", 5)];
        assert!(matches!(
            Fabric::new(pair),
            Err(FabricError::DuplicateGid { gid: 5, .. })
        ));
        let pair = vec![FunctionConfig::new("a", 5), FunctionConfig::new("a", 6)];
        assert!(matches!(
            Fabric::new(pair),
            Err(FabricError::DuplicateName { .. })
        ));
    }

    #[test]
    fn a_data_bar_has_room_for_a_token() {
        for (size, good) in [
            (1 << 32, false),
            (1 << 33, true),
            (3 << 33, false),
            (1 << 48, true),
            (1 << 49, false),
        ] {
            let mut config = FunctionConfig::new("a", 1);
            config.data_bar_size = size;
            assert_eq!(Fabric::new(vec![config]).is_ok(), good, "{size:#x}");
        }
    }
}
