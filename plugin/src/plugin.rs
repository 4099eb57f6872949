// SPDX-License-Identifier: GPL-2.0-or-later
//! The plugin's state, and its actions in each callback.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cpu::write_logical;
use crate::decode::Instruction;
use crate::defects::Break;
use crate::defects::interception::Broken;
use crate::defects::undo::Ended;
use crate::ffi::VcpuCallback;
use crate::forward::{Done, Forwarder};
use crate::observe::{Discontinuity, Observer, Site};
use crate::operands::read_operands;
use crate::qemu::block::{Access, Block};
use crate::qemu::vcpu::{QemuCpu, Registers, Scratch};
use crate::qemu::{Flag, Qemu};
use crate::qemu_info::QemuInfo;
use crate::records::Records;
use crate::report::report;
use crate::sites::Sites;
use records::instruction::{Hex, HexBytes, Operands, Record};

/// Logical processor of the PCI calls of CLP.
const CLP_PCI: u8 = 2;

/// Callbacks from translated code. Each gets a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeCallbacks {
    /// Runs before a zPCI instruction; the number is that of its site.
    pub issue: VcpuCallback,
    /// Runs before an instruction that may follow a zPCI instruction; the number is its address.
    pub reach: VcpuCallback,
}

/// The decision on an instruction that is about to execute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// QEMU executes it.
    #[default]
    Stays,
    /// The plugin has carried it out; the vCPU resumes at this address.
    Resumes(u64),
}

/// The plugin of the whole QEMU process.
#[derive(Debug)]
pub(crate) struct Plugin {
    qemu: Qemu,
    callbacks: CodeCallbacks,
    /// Set while the vCPU has an instruction in progress. Every block tests it at its start.
    pending: Flag,
    sites: Mutex<Sites>,
    vcpus: Vec<Mutex<Option<Vcpu>>>,
    records: Option<Records>,
    forwarder: Option<Forwarder>,
    broken: Option<Broken>,
    stopped: AtomicBool,
}

/// A vCPU that has started.
#[derive(Debug)]
struct Vcpu {
    registers: Registers,
    scratch: Scratch,
    observer: Observer,
    /// Buffer for the current message to a server, kept to reuse its memory.
    message: Vec<u8>,
}

/// Locks even after a panic: a callback that panicked was reported, and its data is plain values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plugin {
    /// Creates a plugin that records, forwards, or both.
    pub(crate) fn new(
        qemu: Qemu,
        info: &QemuInfo,
        callbacks: CodeCallbacks,
        records: Option<Records>,
        forwarder: Option<Forwarder>,
        defect: Option<Break>,
    ) -> Self {
        Self {
            qemu,
            callbacks,
            pending: qemu.new_flag(),
            sites: Mutex::default(),
            vcpus: (0..info.max_vcpus).map(|_| Mutex::default()).collect(),
            records,
            forwarder,
            broken: defect.map(Broken::new),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) const fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    /// True if the plugin has nothing left to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.forwarder.is_none() && self.records.as_ref().is_none_or(Records::have_ended)
    }

    /// Ends recording and forwarding without an effect on the guest, except that forwarded functions are
    /// gone. Reports it on stderr and, if possible, in the records.
    pub(crate) fn stop(&self, problem: &str) {
        if self.stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(forwarder) = &self.forwarder {
            forwarder.close();
            report(&format!("{problem}; the forwarded functions are gone"));
        } else {
            report(&format!("{problem}; no longer observing"));
        }
        if let Some(records) = &self.records {
            records.end_with(problem);
        }
    }

    /// Handles the start or restart of a vCPU.
    pub(crate) fn vcpu_init(&self, index: u32) {
        let parts = Registers::of_this_vcpu(&self.qemu)
            .and_then(|registers| Ok((registers, Scratch::new(&self.qemu)?)));
        match (self.vcpu(index), parts) {
            (Some(mut vcpu), Ok((registers, scratch))) => {
                let observer = vcpu.take().map(|vcpu| vcpu.observer).unwrap_or_default();
                *vcpu = Some(Vcpu {
                    registers,
                    scratch,
                    observer,
                    message: Vec::new(),
                });
            }
            (None, _) => self.stop(&format!(
                "vCPU {index} is beyond the {} that QEMU announced",
                self.vcpus.len()
            )),
            (_, Err(error)) => self.stop(&format!("vCPU {index}: {error}")),
        }
    }

    /// Handles the translation of guest code: requests callbacks around its zPCI instructions.
    pub(crate) fn translate(&self, block: &Block<'_>) {
        if let Ok(address) = usize::try_from(block.address()) {
            block.on_enter_if(self.pending, self.callbacks.reach, self.seeing(), address);
        }
        // QEMU 11.1 ends a block after each zPCI instruction, but does not promise it.
        let mut after_zpci = false;
        for entry in block.instructions() {
            let address = entry.address();
            if let (true, Ok(number)) = (after_zpci, usize::try_from(address)) {
                entry.on_execute(self.callbacks.reach, self.seeing(), number);
            }
            let (bytes, length) = entry.bytes();
            let opcode = bytes.get(..length).unwrap_or_default();
            let decoded = Instruction::decode(opcode);
            after_zpci = decoded.is_some();
            if let Some(instruction) = decoded {
                let access = match self.forwards(&instruction) || self.broken.is_some() {
                    true => Access::Divert,
                    false if self.observes(&instruction) => Access::Read,
                    false => continue,
                };
                let number = lock(&self.sites).number(address, opcode, instruction);
                entry.on_execute(self.callbacks.issue, access, number);
            }
        }
    }

    /// The rights of a callback after an instruction.
    const fn seeing(&self) -> Access {
        match self.broken {
            Some(_) => Access::Change,
            None => Access::Read,
        }
    }

    fn forwards(&self, instruction: &Instruction) -> bool {
        self.forwarder
            .as_ref()
            .is_some_and(|forwarder| forwarder.wants(instruction))
    }

    /// True if the outcome is of interest: all are recorded, and some reveal the state of a function.
    fn observes(&self, instruction: &Instruction) -> bool {
        self.records.is_some()
            || self.broken.is_some()
            || (self.forwarder.is_some() && Forwarder::learns_from(instruction))
    }

    /// Handles that a vCPU is about to execute the zPCI instruction at site `number`.
    pub(crate) fn issue(&self, index: u32, number: usize) -> Flow {
        let Some(site) = lock(&self.sites).get(number) else {
            return Flow::Stays;
        };
        self.reach(index, site.address);
        let Some(mut guard) = self.vcpu(index) else {
            return Flow::Stays;
        };
        let Some(vcpu) = guard.as_mut() else {
            return Flow::Stays;
        };
        let mut cpu = QemuCpu::new(&self.qemu, &vcpu.registers, &mut vcpu.scratch);
        if let Some((before, done)) = self.carry_out(&mut cpu, &site, &mut vcpu.message) {
            drop(guard);
            let record = before.map(|(seq, operands)| Record {
                seq,
                vcpu: index,
                insn: site.instruction.mnemonic().into(),
                opcode: HexBytes(site.opcode.clone()),
                psw_addr: Hex(site.address),
                operands,
                result: done.ending.result(),
                forwarded: true,
            });
            self.finish(record);
            if let Some(problem) = &done.problem {
                self.tell(problem);
            }
            return Flow::Resumes(done.next);
        }
        if self.observes(&site.instruction) {
            let seq = self.records.as_ref().map_or(0, Records::next_seq);
            vcpu.observer.begin(&cpu, &site, index, seq);
            self.qemu.set_flag(self.pending, index, true);
        }
        Flow::Stays
    }

    /// Carries out an instruction for a forwarded function. Also returns the number and the operands to
    /// record.
    fn carry_out(
        &self,
        cpu: &mut QemuCpu<'_>,
        site: &Site,
        message: &mut Vec<u8>,
    ) -> Option<(Option<(u64, Operands)>, Done)> {
        let forwarder = self.forwarder.as_ref()?;
        let operands = |cpu: &QemuCpu<'_>| {
            let records = self.records.as_ref().filter(|r| !r.have_ended())?;
            Some((records.next_seq(), read_operands(cpu, &site.instruction)))
        };
        if let Some(broken) = &self.broken {
            let before = operands(cpu);
            return Some((before, broken.issue(forwarder, cpu, site)?));
        }
        if let Some(ending) = forwarder.refuse(cpu, site) {
            let before = operands(cpu);
            return Some((before, Done::ending(ending, cpu, site)?));
        }
        let Some(taken) = forwarder.take(cpu, site) else {
            // QEMU executes this instruction, and it may observe the posted moves.
            self.settle(forwarder);
            let before = operands(cpu);
            let ending = forwarder.reset_error(cpu, site)?;
            return Some((before, Done::ending(ending, cpu, site)?));
        };
        let before = operands(cpu);
        Some((before, forwarder.carry_out(&taken, cpu, site, message)?))
    }

    /// Handles that a vCPU is about to execute the instruction at `address`.
    pub(crate) fn reach(&self, index: u32, address: u64) {
        self.observe(index, Ended::Here, |observer, cpu| {
            observer.reached(cpu, address)
        });
    }

    /// Handles an interruption or exception of a vCPU.
    pub(crate) fn discontinuity(&self, index: u32, kind: Discontinuity, from: u64, to: u64) {
        self.observe(index, Ended::InHandler, |observer, cpu| {
            observer.discontinued(cpu, kind, from, to)
        });
    }

    /// Waits for all posted moves.
    fn settle(&self, forwarder: &Forwarder) {
        for problem in forwarder.settle() {
            self.tell(&problem);
        }
    }

    /// Handles the end of QEMU: waits for posted moves, writes the records in progress and the last line.
    pub(crate) fn exit(&self) {
        if let Some(forwarder) = &self.forwarder {
            self.settle(forwarder);
        }
        for vcpu in &self.vcpus {
            let unseen = lock(vcpu).as_mut().and_then(|vcpu| vcpu.observer.abandon());
            self.finish(unseen);
        }
        if let Some(Err(error)) = self.records.as_ref().map(Records::end) {
            report(&format!("cannot write the last record: {error}"));
        }
    }

    fn vcpu(&self, index: u32) -> Option<MutexGuard<'_, Option<Vcpu>>> {
        self.vcpus.get(usize::try_from(index).ok()?).map(lock)
    }

    /// Lets the observer of an instruction in progress, if there is one, take the next step.
    fn observe(
        &self,
        index: u32,
        ended: Ended,
        step: impl FnOnce(&mut Observer, &QemuCpu<'_>) -> Option<Record>,
    ) {
        let Some(mut guard) = self.vcpu(index) else {
            return;
        };
        let Some(vcpu) = guard.as_mut().filter(|vcpu| vcpu.observer.is_pending()) else {
            return;
        };
        let mut cpu = QemuCpu::new(&self.qemu, &vcpu.registers, &mut vcpu.scratch);
        let mut record = step(&mut vcpu.observer, &cpu);
        if let Some(record) = &mut record {
            self.learn(record, &mut cpu);
            if let Some(broken) = &self.broken {
                broken.ended(&mut cpu, record, ended);
            }
        }
        let pending = vcpu.observer.is_pending();
        self.qemu.set_flag(self.pending, index, pending);
        drop(guard);
        self.finish(record);
    }

    /// Learns from an instruction that ended, and completes CLP responses.
    fn learn(&self, record: &mut Record, cpu: &mut QemuCpu<'_>) {
        if let Some(forwarder) = &self.forwarder {
            forwarder.learn_state(record);
            if !forwarder.complete_controls(record, cpu) {
                self.tell("cannot write the block of an STPCIFC");
            }
        }
        let operands = &mut record.operands;
        if let Some(forwarder) = &self.forwarder
            && operands.processor == Some(CLP_PCI)
            && let Some(Hex(address)) = operands.address
            && let Some(HexBytes(request)) = &operands.clp_request
            && let Some(HexBytes(response)) = &mut operands.clp_response
        {
            for note in forwarder.learn(request, response) {
                self.tell(&note);
            }
            let at = address.wrapping_add(request.len() as u64);
            if forwarder.complete(request, response) && !write_logical(cpu, at, response) {
                self.tell("cannot write the response to a CLP call");
            }
        }
    }

    /// Records an instruction that has ended.
    fn finish(&self, record: Option<Record>) {
        let Some(record) = record else {
            return;
        };
        if let Some(Err(problem)) = self.records.as_ref().map(|records| records.write(&record)) {
            report(&format!("{problem}; no longer observing"));
        }
    }

    fn tell(&self, problem: &str) {
        report(problem);
        if let Some(records) = &self.records {
            records.note(problem);
        }
    }
}
