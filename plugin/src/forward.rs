// SPDX-License-Identifier: GPL-2.0-or-later
//! Carries out, in QEMU's place, the instructions that access the memory of forwarded functions.
//!
//! - [`settings`]: the user's choices;
//! - [`handles`]: the guest's handles of forwarded functions; [`clp`]: CLP answers about these functions;
//! - [`access`]: an instruction with its registers; [`check`]: the checks before the function gets it;
//! - [`message`], [`channel`], [`link`], [`facts`]: the server's instruction channel; [`posted`]: moves that
//!   do not wait for its answer; [`recovery`]: the error state after a late refusal;
//! - [`ending`]: condition code, loaded register or program interruption; [`translation`]: the exception if
//!   guest memory cannot be read.
//!
//! QEMU handles everything else: other handles, disabled functions, configuration space, the MSI-X BAR.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use vfio_user_protocol::Errno;
use zpci_region::clp::ClpFacts;
use zpci_region::request::Op;

use crate::cpu::{Cpu, GuestCpu, PSW_DAT, effective_address};
use crate::decode::Instruction;
use crate::observe::Site;
use records::instruction::{Hex, Record};

pub(crate) mod access;
pub(crate) mod channel;
pub(crate) mod channel_error;
pub(crate) mod check;
pub(crate) mod clp;
pub(crate) mod ending;
pub(crate) mod facts;
#[cfg(test)]
mod fake_server;
pub(crate) mod handles;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod posted;
pub(crate) mod recovery;
pub(crate) mod settings;
pub(crate) mod translation;

use access::{Access, Operand, PSW_PROBLEM, request_register};
use channel::{Answer, Channel, ErrorState};
use channel_error::ChannelError;

use ending::{Ending, OPERAND};
use facts::FunctionFacts;
use handles::{Handles, Subject};
use posted::Target;
use settings::{Clp, Forward, Moves};

/// Longest time that a server may take to answer. The guest's vCPU waits that long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Length of a function information block in bytes.
const CONTROLS: usize = 80;
/// Number of the BAR with the command window.
const COMMAND_BAR: u8 = 2;
/// BARs with a function's data and commands. QEMU emulates the others, which are for MSI-X.
pub(crate) const FORWARDED_BARS: [u8; 2] = [0, 2];

#[derive(Debug)]
pub(crate) struct Forwarder {
    functions: Vec<Function>,
    handles: RwLock<Handles>,
    /// The facts that CLP responses report.
    clp: Clp,
    /// The moves that are posted.
    moves: Moves,
}

#[derive(Debug)]
pub(crate) struct Function {
    name: String,
    facts: FunctionFacts,
    /// The channel to the server; `None` for ever once the server is gone.
    channel: Mutex<Option<Channel>>,
}

/// An instruction for a forwarded function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Number of the function.
    pub function: usize,
    /// The access that the instruction requests.
    pub access: Access,
}

/// An instruction that was carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Address at which the guest goes on.
    pub next: u64,
    /// The outcome of the instruction.
    pub ending: Ending,
    /// A message for the user.
    pub problem: Option<String>,
}

impl Done {
    /// Shows the guest `ending` as the outcome of the instruction at `site`. `None` if QEMU does not allow
    /// changes to the guest.
    pub(crate) fn ending(ending: Ending, cpu: &mut dyn GuestCpu, site: &Site) -> Option<Self> {
        let next = ending.perform(cpu, site)?;
        Some(Self {
            next,
            ending,
            problem: None,
        })
    }
}

impl Forwarder {
    /// Connects to the servers of all functions.
    ///
    /// # Errors
    /// Names the first socket that cannot be used, and the reason.
    pub(crate) fn connect(
        forwards: &[Forward],
        clp: Clp,
        moves: Moves,
        ring: bool,
    ) -> Result<Self, String> {
        let connect = |forward: &Forward| {
            let name = format!("forward={}", forward.socket.display());
            let (channel, facts) = Channel::connect(&forward.socket, PATIENCE, ring)
                .map_err(|error| format!("{name}: {error}"))?;
            Ok(Function {
                name,
                facts,
                channel: Mutex::new(Some(channel)),
            })
        };
        let functions = forwards
            .iter()
            .map(connect)
            .collect::<Result<_, String>>()?;
        let selectors = forwards.iter().map(|forward| forward.selector);
        Ok(Self {
            functions,
            handles: RwLock::new(Handles::new(selectors)),
            clp,
            moves,
        })
    }

    /// Records the outcome of an instruction that may change a function's state in QEMU.
    pub(crate) fn learn_state(&self, record: &Record) {
        let Some(Hex(handle)) = record.operands.handle else {
            return;
        };
        let (handle, result) = (handle as u32, &record.result);
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        match &*record.insn {
            "rpcit" => handles.refreshed(handle, result.cc, result.status),
            "mpcifc" => handles.controlled(handle, record.operands.operation, result.cc),
            _ => {}
        }
    }

    /// True if the outcome of `instruction` may change a function's state in QEMU.
    pub(crate) fn learns_from(instruction: &Instruction) -> bool {
        matches!(
            instruction,
            Instruction::CallLogicalProcessor { .. }
                | Instruction::RefreshTranslations { .. }
                | Instruction::ModifyControls { .. }
                | Instruction::StoreControls { .. }
        )
    }

    /// True if the plugin may have to carry out `instruction`.
    pub(crate) fn wants(&self, instruction: &Instruction) -> bool {
        request_register(instruction).is_some()
            || matches!(
                instruction,
                Instruction::ModifyControls { .. } | Instruction::StoreControls { .. }
            )
    }

    /// Ends an MPCIFC or STPCIFC of a forwarded function whose block translation cannot reach, because QEMU
    /// would abort there. `None` leaves the instruction to QEMU.
    pub(crate) fn refuse(&self, cpu: &dyn GuestCpu, site: &Site) -> Option<Ending> {
        let (control, block, store) = match site.instruction {
            Instruction::ModifyControls { control, block } => (control, block, false),
            Instruction::StoreControls { control, block } => (control, block, true),
            _ => return None,
        };
        let mask = cpu.psw_mask()?;
        let control = cpu.gpr(control)?;
        let address = effective_address(cpu, block)?;
        let left = mask & PSW_PROBLEM != 0
            || mask & PSW_DAT == 0
            || !address.is_multiple_of(8)
            || (store && control >> 16 & 0xFF != 0);
        if left {
            return None;
        }
        self.find((control >> 32) as u32)?;
        translation::reach_all(cpu, address, CONTROLS, store)
            .err()
            .map(Ending::Exception)
    }

    /// Records the outcome of a CLP call of the guest. Returns messages for the user.
    pub(crate) fn learn(&self, request: &[u8], response: &[u8]) -> Vec<String> {
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let notes = handles.learn(request, response);
        // A function that is not enabled is no longer in the error state.
        for (number, function) in self.functions.iter().enumerate() {
            if self.moves != Moves::Waited && !handles.is_enabled(number) {
                function.set_error_state(ErrorState::None);
            }
        }
        notes
    }

    /// Completes the response to a CLP call of the guest about forwarded functions. Returns true if it
    /// changed the response. Call [`Forwarder::learn`] first.
    pub(crate) fn complete(&self, request: &[u8], response: &mut [u8]) -> bool {
        let subject = {
            let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
            handles.subject(request, response)
        };
        let facts = |number: &usize| {
            self.functions
                .get(*number)
                .map(|function| &function.facts.clp)
        };
        let full = self.clp == Clp::Full;
        match subject.filter(|_| self.clp != Clp::Qemu) {
            Some(Subject::Function(number)) => {
                if let Some(facts) = facts(&number) {
                    clp::complete_function(facts, full, response);
                }
                true
            }
            Some(Subject::Group(members)) => {
                let members: Vec<&ClpFacts> = members.iter().filter_map(facts).collect();
                clp::complete_group(&members, full, response);
                true
            }
            None => false,
        }
    }

    /// Reads the instruction at `site` if it is for a forwarded function. `None` leaves it to QEMU.
    pub(crate) fn take(&self, cpu: &dyn Cpu, site: &Site) -> Option<Taken> {
        let request = cpu.gpr(request_register(&site.instruction)?)?;
        let function = self.find((request >> 32) as u32)?;
        let access = Access::read(cpu, &site.instruction, request)?;
        FORWARDED_BARS
            .contains(&access.place.pcias)
            .then_some(Taken { function, access })
    }

    /// Carries out an instruction; `message` is a buffer to reuse. `None` leaves it to QEMU, which does not
    /// allow changes to the guest.
    pub(crate) fn carry_out(
        &self,
        taken: &Taken,
        cpu: &mut dyn GuestCpu,
        site: &Site,
        message: &mut Vec<u8>,
    ) -> Option<Done> {
        let function = self.functions.get(taken.function)?;
        let (ending, problem) = function.carry_out(cpu, &taken.access, message, self.moves);
        let next = ending.perform(cpu, site)?;
        Some(Done {
            next,
            ending,
            problem,
        })
    }

    /// Drops the channels of all functions, which ends them.
    pub(crate) fn close(&self) {
        for function in &self.functions {
            let channel = function.channel.lock();
            *channel.unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Finds the forwarded function that has this handle, is enabled and is not in error.
    pub(crate) fn find(&self, handle: u32) -> Option<usize> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.find(handle)
    }

    /// Finds a function by its handle, but ignores the bits of `ignored` and the error state.
    pub(crate) fn find_carelessly(&self, handle: u32, ignored: u32) -> Option<usize> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.find_carelessly(handle, ignored)
    }

    /// The forwarded functions, by their number.
    pub(crate) fn functions(&self) -> &[Function] {
        &self.functions
    }
}

impl Function {
    fn carry_out(
        &self,
        cpu: &mut dyn GuestCpu,
        access: &Access,
        message: &mut Vec<u8>,
        moves: Moves,
    ) -> (Ending, Option<String>) {
        match check::check(access, &self.facts) {
            Ok(()) => self.talk(|channel| exchange(channel, cpu, access, message, moves)),
            Err(exception) => {
                // QEMU checks the state of a function before the operands.
                let blocked = |channel: &mut Channel| {
                    channel.settle()?;
                    Ok(match channel.error_state() {
                        ErrorState::Error => Ending::Blocked(access.status),
                        _ => Ending::Exception(exception),
                    })
                };
                match moves {
                    Moves::Waited => (Ending::Exception(exception), None),
                    _ if self.is_gone() => (Ending::Exception(exception), None),
                    _ => self.talk(blocked),
                }
            }
        }
    }

    /// The server's facts about the function.
    pub(crate) const fn facts(&self) -> &FunctionFacts {
        &self.facts
    }

    /// Runs `exchange` with the server. A failure ends the function; the second value is a message for the
    /// user.
    pub(crate) fn talk(
        &self,
        exchange: impl FnOnce(&mut Channel) -> Result<Ending, ChannelError>,
    ) -> (Ending, Option<String>) {
        let mut place = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(channel) = place.as_mut() else {
            return (Ending::NoFunction, None);
        };
        match exchange(channel) {
            Ok(ending) => {
                let late = channel.take_late();
                (ending, late.map(|errno| late_refusal(&self.name, errno)))
            }
            Err(error) => {
                *place = None;
                let name = &self.name;
                let problem = format!(
                    "{name}: {error}; the function is gone, its instructions end with cc 3"
                );
                (Ending::NoFunction, Some(problem))
            }
        }
    }
}

fn exchange(
    channel: &mut Channel,
    cpu: &mut dyn GuestCpu,
    access: &Access,
    message: &mut Vec<u8>,
    moves: Moves,
) -> Result<Ending, ChannelError> {
    let place = access.place;
    let length = usize::from(place.length);
    let target = Target::of(access, moves);
    let posted = target.filter(|target| channel.knows(*target));
    // A request that is not posted can observe earlier moves, so it waits for all of them.
    match posted {
        Some(_) => channel.make_room()?,
        None => channel.settle()?,
    }
    if channel.error_state() == ErrorState::Error {
        return Ok(Ending::Blocked(access.status));
    }
    if place.pcias == COMMAND_BAR && access.op != Op::Load {
        channel.forget_accepted();
    }
    match access.operand {
        Operand::Block { source } => {
            let id = channel.take_ids(1);
            message::begin_store(message, id, access.op, place);
            if let Err(exception) = translation::append_block(cpu, source, length, message) {
                return Ok(Ending::Exception(exception));
            }
            if let Some(target) = posted {
                channel.post(id, target, message)?;
                return Ok(Ending::Done);
            }
            let answer = channel.store(id, message)?;
            if let (Some(target), Ok(())) = (target, answer) {
                channel.accept(target);
            }
            Ok(stored(answer))
        }
        Operand::Data(value) => {
            let id = channel.take_ids(1);
            message::begin_store(message, id, access.op, place);
            let bytes = value.to_be_bytes();
            let low = bytes.get(bytes.len().saturating_sub(length)..);
            message.extend_from_slice(low.unwrap_or_default());
            Ok(stored(channel.store(id, message)?))
        }
        Operand::Result(register) => {
            let id = channel.take_ids(2);
            message::load(message, id, place);
            Ok(match channel.load(id, message)? {
                Ok(value) => Ending::Loaded(register, value),
                Err(errno) => refused(errno),
            })
        }
    }
}

/// Returns the ending of a store for this answer of the server.
pub(crate) fn stored(answer: Answer<()>) -> Ending {
    match answer {
        Ok(()) => Ending::Done,
        Err(errno) => refused(errno),
    }
}

/// Returns the ending if the function is gone or refuses the operands. It is QEMU's ending for an error of
/// its own device.
pub(crate) fn refused(errno: Errno) -> Ending {
    match errno {
        Errno::ENODEV => Ending::NoFunction,
        _ => Ending::Exception(OPERAND),
    }
}

/// Builds a message for the user about a late refusal.
fn late_refusal(name: &str, errno: Errno) -> String {
    format!(
        "{name}: the server refused a posted move ({errno}) after its instruction had ended; the function is in the error state until the guest resets it (moves=waited waits for each answer)"
    )
}

#[cfg(test)]
mod tests;
