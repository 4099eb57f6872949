//! The fabric: functions that can write into each other's buffers and signal each other.

use zpci_region::access::{Failure, Load, Store};
use zpci_region::judgement::Refusal;

use crate::access;
use crate::config_space::ConfigError;
use crate::data_move::faulty;
use crate::dmb::{Dmb, DmbTable};
use crate::event::tell_peers;
use crate::fault::action::Action;
use crate::fault::armed::{Chance, FaultCount, FaultRecord};
use crate::fault::check::{FaultError, for_now};
use crate::fault::order::{Due, Later};
use crate::fault::plan::Fault;
use crate::fault::site::Site;
use crate::fault::whole;
use crate::function::{Function, FunctionConfig, FunctionInfo};
use crate::host::Host;
use crate::id::FunctionId;
use crate::layout::DATA_BAR_SIZE;
use crate::record::DeviceObserver;
use crate::state::State;
use crate::turn::Turn;

/// Smallest data BAR: room for one bit of tokens, bit 32.
const DATA_BAR_MIN: u64 = 1 << 33;

/// An error in the configurations of a fabric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages describe the fields")]
pub enum FabricError {
    /// A function has GID 0, which means "no GID" to drivers.
    #[error("function {name}: GID 0, expected another value")]
    ZeroGid { name: String },
    /// Two functions have one GID. GIDs are addresses.
    #[error("functions {first} and {second}: both have GID {gid:#x}, expected different ones")]
    DuplicateGid {
        first: String,
        second: String,
        gid: u64,
    },
    /// Two functions have one name. Names identify functions in reports.
    #[error("two functions are called {name}, expected different names")]
    DuplicateName { name: String },
    /// A data BAR has an unsuitable size. Tokens occupy bits 32 and up of an offset into it.
    #[error(
        "function {name}: data BAR of {size:#x} bytes, expected a power of two from 2^33 to 2^48"
    )]
    DataBarSize { name: String, size: u64 },
}

/// The functions of one machine that share a channel id (CHID).
///
/// The fabric is pure and deterministic. Its calls take two arguments for the outside world: a [`Host`],
/// through which the fabric reaches guest memory, and a [`DeviceObserver`], which receives its reports.
#[derive(Clone, Debug)]
pub struct Fabric {
    state: State,
}

impl Fabric {
    /// Creates functions with the ids 0, 1, ... in the order given.
    ///
    /// # Errors
    /// Two functions share a GID or a name, a GID is 0, or a data BAR has an unsuitable size.
    pub fn new(configs: Vec<FunctionConfig>) -> Result<Self, FabricError> {
        for (at, config) in configs.iter().enumerate() {
            check(config, configs.get(..at).unwrap_or_default())?;
        }
        let smallest = configs.iter().map(|config| config.data_bar_size).min();
        let dmbs = DmbTable::new(smallest.unwrap_or(DATA_BAR_SIZE));
        let functions = configs.into_iter().map(Function::new).collect();
        Ok(Self {
            state: State::new(functions, dmbs),
        })
    }

    /// Carries out a store into a BAR, with every command, move and event that it causes.
    ///
    /// # Errors
    /// The store had no effect: a rule rejects it, or it cannot be carried out.
    pub fn store(
        &mut self,
        id: FunctionId,
        store: &Store<'_>,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) -> Result<(), Refusal> {
        let mut turn = self.turn(id, host, observer).ok_or_else(|| absent(id))?;
        access::store(&mut turn, store)
    }

    /// Carries out a load from a BAR into `out`: `load.len` bytes in the order of guest memory.
    ///
    /// A long load through a BAR stands for naturally aligned pieces of 8, 4, 2 and 1 bytes. Loads change no
    /// memory, so the bytes are the same.
    ///
    /// # Errors
    /// A rule rejects the load, it cannot be carried out, or `out` has not `load.len` bytes.
    pub fn load(
        &mut self,
        id: FunctionId,
        load: &Load,
        out: &mut [u8],
        observer: &mut dyn DeviceObserver,
    ) -> Result<(), Refusal> {
        let function = self.state.contains(id).then(|| &mut self.state[id]);
        access::load(function.ok_or_else(|| absent(id))?, load, out, observer)
    }

    /// Reads configuration space, at any offset and length inside its 256 bytes.
    ///
    /// # Errors
    /// The range is not inside the 256 bytes, or there is no such function.
    pub fn config_read(
        &self,
        id: FunctionId,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), ConfigError> {
        let len = out.len();
        let function = self.get(id).ok_or(ConfigError { offset, len })?;
        function.space.read(offset, out)
    }

    /// Writes configuration space. Read-only bits keep their value.
    ///
    /// # Errors
    /// The range is not inside the 256 bytes, or there is no such function.
    pub fn config_write(
        &mut self,
        id: FunctionId,
        offset: u64,
        data: &[u8],
    ) -> Result<(), ConfigError> {
        let len = data.len();
        if !self.state.contains(id) {
            return Err(ConfigError { offset, len });
        }
        let function = &mut self.state[id];
        function.gone = false;
        function.space.write(offset, data)
    }

    /// Resets a function: registrations, DMBs, VLANs, command window and configuration space return to the
    /// state after power-on. Peers that share a DMB with the function get a GID event.
    pub fn reset(
        &mut self,
        id: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        if let Some(mut turn) = self.turn(id, host, observer) {
            turn.state[id].shape.settle(turn.observer);
            turn.state.reset(id);
            tell_peers(&mut turn);
            if !turn.state.faults.is_empty() {
                let chance = Chance::at(Site::Reset, id, None);
                if let Some(action) = turn.fault(&chance) {
                    whole::hit(&mut turn, action, None);
                }
            }
        }
    }

    /// Records that the client of a function went away. The function's state stays for the next client. Peers
    /// that share a DMB with the function get a GID event, and cannot reach it until its next access.
    pub fn detach(
        &mut self,
        id: FunctionId,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        if let Some(mut turn) = self.turn(id, host, observer) {
            turn.state[id].shape.settle(turn.observer);
            turn.own().gone = true;
            tell_peers(&mut turn);
        }
    }

    /// Ends and reports an open run of pieces, because the function was idle.
    pub fn settle(&mut self, id: FunctionId, observer: &mut dyn DeviceObserver) {
        if self.state.contains(id) {
            self.state[id].shape.settle(observer);
        }
    }

    /// True if a run of pieces is open, so that [`settle`](Self::settle) is due.
    pub fn has_open_run(&self, id: FunctionId) -> bool {
        self.get(id).is_some_and(|f| f.shape.has_open_run())
    }

    /// Adds a fault after the others, or replaces the one with its id and resets that one's counters.
    ///
    /// # Errors
    /// The fault contradicts itself, or names a function or command that does not exist.
    pub fn set_fault(&mut self, fault: Fault) -> Result<(), FaultError> {
        let names = self.state.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.state.faults.set(fault, &names)
    }

    /// Removes the fault with this id, or all faults. Returns how many it removed.
    pub fn clear_faults(&mut self, id: Option<&str>) -> usize {
        self.state.faults.clear(id)
    }

    /// The faults, in the order in which they get a chance to act.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.state.faults.iter()
    }

    /// The counters of every fault at every function where the fault had a chance to act.
    pub fn fault_counts(&self) -> impl Iterator<Item = FaultCount> {
        self.state.faults.counts()
    }

    /// True if any fault acts on vfio-user messages or delays their replies.
    pub fn has_faults(&self) -> bool {
        !self.state.faults.is_empty()
    }

    /// Returns the fault that acts on a vfio-user message of a function, if one does. The caller carries it
    /// out, except for actions that hit a whole function.
    pub fn message_fault(
        &mut self,
        id: FunctionId,
        message: &str,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) -> Option<Action> {
        if !self.state.faults.any_at(Site::Message) {
            return None;
        }
        let mut turn = self.turn(id, host, observer)?;
        let chance = Chance {
            message: Some(message),
            ..Chance::at(Site::Message, id, None)
        };
        let action = turn.fault(&chance)?;
        whole::hit(&mut turn, action, None);
        Some(action)
    }

    /// Carries out an action at once; `peer` is the other function.
    ///
    /// # Errors
    /// The action is not one that hits a whole function, or a parameter of it is wrong.
    pub fn inject(
        &mut self,
        id: FunctionId,
        peer: Option<FunctionId>,
        action: Action,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) -> Result<(), FaultError> {
        let peer = peer.filter(|peer| self.state.contains(*peer));
        for_now(&action, peer)?;
        if let Some(mut turn) = self.turn(id, host, observer) {
            turn.observer.fault(&FaultRecord {
                function: id,
                peer,
                id: "now",
                action,
                number: 1,
            });
            whole::hit(&mut turn, action, peer);
        }
        Ok(())
    }

    /// Carries out the work that a fault delayed ([`Order::Later`](crate::fault::Order::Later)).
    pub fn late(
        &mut self,
        Later(due): Later,
        host: &mut dyn Host,
        observer: &mut dyn DeviceObserver,
    ) {
        match due {
            Due::Move {
                writer,
                address,
                data,
                signal,
            } => {
                if let Some(mut turn) = self.turn(writer, host, observer) {
                    faulty::late(&mut turn, address, &data, signal);
                }
            }
            Due::Interrupts {
                to,
                times,
                interval_ms,
            } => {
                if let Some(mut turn) = self.turn(to, host, observer) {
                    let now = if interval_ms == 0 { times } else { 1 };
                    (0..now).for_each(|_| turn.interrupt(to));
                    let left = times.saturating_sub(now);
                    turn.interrupt_later(to, left, interval_ms, interval_ms);
                }
            }
        }
    }

    /// Returns the function to which a delayed action of a fault belongs.
    pub fn late_function(Later(due): &Later) -> FunctionId {
        match due {
            Due::Move { writer, .. } => *writer,
            Due::Interrupts { to, .. } => *to,
        }
    }

    /// The ids of all functions, in order.
    pub fn ids(&self) -> impl Iterator<Item = FunctionId> + use<> {
        self.state.ids()
    }

    /// Returns the configuration of a function.
    pub fn config(&self, id: FunctionId) -> Option<&FunctionConfig> {
        self.get(id).map(|function| &function.config)
    }

    /// Returns the present state of a function.
    pub fn function(&self, id: FunctionId) -> Option<FunctionInfo> {
        self.state.contains(id).then(|| self.state.info(id))
    }

    /// Every registered DMB with its token.
    pub fn dmbs(&self) -> impl Iterator<Item = (u64, &Dmb)> {
        self.state.dmbs.iter()
    }

    fn get(&self, id: FunctionId) -> Option<&Function> {
        self.state.contains(id).then(|| &self.state[id])
    }

    fn turn<'a>(
        &'a mut self,
        id: FunctionId,
        host: &'a mut dyn Host,
        observer: &'a mut dyn DeviceObserver,
    ) -> Option<Turn<'a>> {
        self.state.contains(id).then_some(Turn {
            state: &mut self.state,
            id,
            host,
            observer,
        })
    }
}

/// Builds the refusal of an access to a function that is not on the fabric.
fn absent(id: FunctionId) -> Refusal {
    Refusal {
        failure: Failure::NoDevice,
        rule: None,
        reason: format!("there is no function {} on the fabric", id.0),
    }
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
