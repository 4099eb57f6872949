//! The data of a fabric, and queries on it.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

use crate::dmb::{Dmb, DmbTable};
use crate::fault::armed::Faults;
use crate::function::{Function, FunctionInfo};
use crate::id::FunctionId;

/// Functions, DMBs, and the pairs of functions that share one.
///
/// Functions are never removed, so an id that [`State::contains`] accepts stays valid.
#[derive(Clone, Debug)]
pub(crate) struct State {
    functions: Vec<Function>,
    pub dmbs: DmbTable,
    /// Pairs of functions, lower id first, that have shared a DMB since either last went away.
    relations: BTreeSet<(FunctionId, FunctionId)>,
    pub faults: Faults,
}

impl Index<FunctionId> for State {
    type Output = Function;

    fn index(&self, id: FunctionId) -> &Function {
        &self.functions[id.0]
    }
}

impl IndexMut<FunctionId> for State {
    fn index_mut(&mut self, id: FunctionId) -> &mut Function {
        &mut self.functions[id.0]
    }
}

impl State {
    pub(crate) fn new(functions: Vec<Function>, dmbs: DmbTable) -> Self {
        Self {
            functions,
            dmbs,
            relations: BTreeSet::new(),
            faults: Faults::default(),
        }
    }

    /// True if a function has this id.
    pub(crate) fn contains(&self, id: FunctionId) -> bool {
        id.0 < self.functions.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = FunctionId> + use<> {
        (0..self.functions.len()).map(FunctionId)
    }

    pub(crate) fn by_gid(&self, gid: u64) -> Option<FunctionId> {
        let at = self.functions.iter().position(|f| f.config.gid == gid);
        at.map(FunctionId)
    }

    /// The names of all functions.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.functions.iter().map(|f| f.config.name.clone());
        names.collect()
    }

    /// Returns the name of a function, for messages.
    pub(crate) fn name(&self, id: FunctionId) -> &str {
        &self[id].config.name
    }

    /// The addresses of all registered memory: DMBs, SBAs, event queues.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> {
        let queues = self.functions.iter().flat_map(|function| {
            let registered = &function.registered;
            [registered.sba, registered.ieq.map(|queue| queue.iova)]
        });
        let dmbs = self.dmbs.iter().map(|(_, dmb)| dmb.iova);
        dmbs.chain(queues.flatten())
    }

    /// Returns the state of a function as reports show it.
    pub(crate) fn info(&self, id: FunctionId) -> FunctionInfo {
        let function = &self[id];
        let gid = function.config.gid;
        let registered = &function.registered;
        FunctionInfo {
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
        }
    }

    /// Adds a DMB, and records that its owner and its writer are related. Returns its token; `None` if all
    /// tokens are in use.
    pub(crate) fn enter(&mut self, dmb: Dmb) -> Option<u64> {
        let token = self.dmbs.insert(dmb)?;
        self.relations.extend(self.between(&dmb));
        Some(token)
    }

    /// Removes a DMB and the record of moves into it. If it was the last DMB between owner and writer, their
    /// relation ends.
    pub(crate) fn leave(&mut self, token: u64) {
        let Some(gone) = self.dmbs.remove(token) else {
            return;
        };
        self.forget(token);
        if let Some(between) = self.between(&gone)
            && !self
                .dmbs
                .iter()
                .any(|(_, dmb)| self.between(dmb) == Some(between))
        {
            self.relations.remove(&between);
        }
    }

    /// Puts a function back to the state after power-on, without its DMBs. Its relations stay until its peers
    /// are informed: [`Self::part`].
    pub(crate) fn reset(&mut self, id: FunctionId) {
        for token in self.dmbs.remove_owned(id) {
            self.forget(token);
        }
        self[id].reset();
    }

    /// Ends every relation of a function. Returns its former peers.
    pub(crate) fn part(&mut self, id: FunctionId) -> Vec<FunctionId> {
        let mut peers = Vec::new();
        self.relations.retain(|&(a, b)| {
            match (a == id, b == id) {
                (true, _) => peers.push(b),
                (_, true) => peers.push(a),
                _ => return true,
            }
            false
        });
        peers
    }

    fn forget(&mut self, token: u64) {
        for function in &mut self.functions {
            function.forget(token);
        }
    }

    /// Returns owner and writer of a DMB, lower id first, if they are two functions of the fabric.
    fn between(&self, dmb: &Dmb) -> Option<(FunctionId, FunctionId)> {
        let (owner, writer) = (dmb.owner, self.by_gid(dmb.rgid)?);
        (owner != writer).then(|| (owner.min(writer), owner.max(writer)))
    }
}
