// SPDX-License-Identifier: GPL-2.0-or-later
//! Bare-metal guests that find and enable functions and then execute the instructions of a test.
//!
//! A guest ends in a disabled wait. The plugin's records show what it did. The exception handler uses
//! registers 14 and 15, the code here registers 1, 2, 4 and 5.

use std::path::{Path, PathBuf};

use s390x_asm::{Assembler, Condition, Gr, Label, zpci};

/// Address of the code.
const CODE: usize = 0x2_0000;
/// Size of the image in bytes.
const IMAGE: usize = 0x4_0000;
/// Address of the PSW that ends the guest.
const FINAL_PSW: u16 = 0x200;
/// Addresses of CLP blocks: each is a request of 32 bytes, followed by its response.
const CLP_LIST: usize = 0x8000;
const CLP_ENABLE: usize = 0x8400;
const CLP_DISABLE: usize = 0x8500;
pub(crate) const CLP_FUNCTION: usize = 0x8600;
pub(crate) const CLP_GROUP: usize = 0x8800;
pub(crate) const RESPONSE: i32 = 32;
/// Addresses of program-new, program-old and restart-new PSW (z/Architecture, assigned storage).
const PROGRAM_NEW: i32 = 0x1D0;
pub(crate) const PROGRAM_OLD: u16 = 0x150;
const RESTART_NEW: i32 = 0x1A0;
/// PSW mask: 31-bit addressing, all interruptions off.
const MASK: u64 = 0x8000_0000;

/// Address of a function's handle, shifted for use in requests; `number` counts from 0.
pub(crate) fn kept(number: usize) -> i32 {
    i32::try_from(0x300 + 8 * number).unwrap()
}

/// A guest program under construction.
pub(crate) struct Guest {
    /// The code of the guest.
    pub code: Assembler,
    data: Vec<(usize, Vec<u8>)>,
}

impl Guest {
    /// Creates a guest that goes on at the old PSW after a program exception.
    pub(crate) fn new() -> Self {
        Self::with_handler(|_| {})
    }

    /// Creates the same guest with a handler that first runs the code of `write`.
    pub(crate) fn with_handler(write: impl FnOnce(&mut Assembler)) -> Self {
        let mut code = Assembler::new();
        let start = code.label();
        code.brcl(Condition::Always, start);
        let handler = code.here();
        write(&mut code);
        code.lpswe(PROGRAM_OLD, Gr::R0);
        code.bind(start);
        // This switches to z/Architecture mode, for a machine that starts in another one.
        code.lghi(Gr::R0, 0);
        code.lghi(Gr::R1, 1);
        code.sigp(Gr::R1, Gr::R0, 0x12);
        let mut guest = Self {
            code,
            data: Vec::new(),
        };
        guest.new_psw(PROGRAM_NEW, handler);
        guest.put(0, &[0x00, 0x08, 0, 0, 0x80, 0x02, 0, 0]);
        let mut end = 0x0002_0000_8000_0000_u64.to_be_bytes().to_vec();
        end.extend([0; 8]);
        guest.put(usize::from(FINAL_PSW), &end);
        guest.put(CLP_LIST, &clp(2, 32 + 16 * 8, 0, 0));
        guest.put(CLP_ENABLE, &clp(5, 32, 0, 1));
        guest.put(CLP_DISABLE, &clp(5, 32, 1, 0));
        guest.put(CLP_FUNCTION, &clp(3, 192, 0, 0));
        guest.put(CLP_GROUP, &clp(4, 64, 0, 0));
        guest
    }

    fn new_psw(&mut self, at: i32, label: Label) {
        self.code.load_constant(Gr::R1, MASK);
        self.code.stg(Gr::R1, at, Gr::R0);
        self.code.larl(Gr::R1, label);
        self.code.stg(Gr::R1, at + 8, Gr::R0);
    }

    /// Writes bytes into the image.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.data.push((at, bytes.to_vec()));
    }

    fn clp(&mut self, block: usize) {
        self.code.load_constant(Gr::R4, block as u64);
        self.code.emit(&zpci::clp(Gr::R4));
    }

    /// Finds the function with this fid, enables it and saves its handle.
    pub(crate) fn enable(&mut self, fid: i16, number: usize) {
        self.clp(CLP_LIST);
        let code = &mut self.code;
        let found = code.label();
        code.lgr(Gr::R2, Gr::R4);
        let next = code.here();
        // Entries follow the 32-byte header of the response: fid at 8, handle at 12.
        code.llgf(Gr::R5, RESPONSE + 32 + 8, Gr::R2);
        code.cghi(Gr::R5, fid);
        code.brcl(Condition::Equal, found);
        code.aghi(Gr::R2, 16);
        code.brcl(Condition::Always, next);
        code.bind(found);
        code.llgf(Gr::R5, RESPONSE + 32 + 12, Gr::R2);
        code.load_constant(Gr::R4, CLP_ENABLE as u64);
        code.sty(Gr::R5, 16, Gr::R4);
        self.clp(CLP_ENABLE);
        let code = &mut self.code;
        code.llgf(Gr::R5, RESPONSE + 16, Gr::R4);
        code.sllg(Gr::R5, Gr::R5, 32);
        code.stg(Gr::R5, kept(number), Gr::R0);
    }

    /// Disables the function. The saved handle stays.
    pub(crate) fn disable(&mut self, number: usize) {
        self.code.load_constant(Gr::R4, CLP_DISABLE as u64);
        self.code.llgf(Gr::R5, kept(number), Gr::R0);
        self.code.sty(Gr::R5, 16, Gr::R4);
        self.clp(CLP_DISABLE);
    }

    /// Queries the function and its group.
    pub(crate) fn query(&mut self, number: usize) {
        self.code.load_constant(Gr::R4, CLP_FUNCTION as u64);
        self.code.llgf(Gr::R5, kept(number), Gr::R0);
        self.code.sty(Gr::R5, 16, Gr::R4);
        self.clp(CLP_FUNCTION);
        // The group's number is at offset 19 of the response, and of the request.
        self.code.llgc(Gr::R5, RESPONSE + 19, Gr::R4);
        self.code.load_constant(Gr::R4, CLP_GROUP as u64);
        self.code.stc(Gr::R5, 19, Gr::R4);
        self.clp(CLP_GROUP);
    }

    /// Builds the request register of a function.
    pub(crate) fn request(&mut self, register: Gr, number: usize, pcias: u64, length: u64) {
        self.code.load_constant(Gr::R1, pcias << 16 | length);
        self.code.lg(register, kept(number), Gr::R0);
        self.code.ogr(register, Gr::R1);
    }

    /// Stores `length` bytes at a real address to an offset of a BAR, by PCISTB.
    pub(crate) fn store_block(
        &mut self,
        number: usize,
        place: (u64, u64),
        length: u64,
        source: u64,
    ) {
        let (pcias, offset) = place;
        self.request(Gr::R4, number, pcias, length);
        self.code.load_constant(Gr::R5, offset);
        self.code.load_constant(Gr::R2, source);
        self.code.emit(&zpci::pcistb(Gr::R4, Gr::R5, 0, Gr::R2));
    }

    /// Loads 8 bytes of BAR 2, by PCILG.
    pub(crate) fn load(&mut self, number: usize, offset: u64) {
        self.request(Gr::R4, number, 2, 8);
        self.code.load_constant(Gr::R5, offset);
        self.code.emit(&zpci::pcilg(Gr::R2, Gr::R4));
    }

    /// Starts CPU 1 at `label`.
    pub(crate) fn start_second_cpu(&mut self, label: Label) {
        self.new_psw(RESTART_NEW, label);
        self.code.lghi(Gr::R1, 0);
        self.code.lghi(Gr::R2, 1);
        let busy = self.code.here();
        self.code.sigp(Gr::R1, Gr::R2, 0x06);
        // Condition code 2 means that the CPU is busy.
        self.code.brcl(Condition::High, busy);
    }

    /// Ends the guest, and with it QEMU.
    pub(crate) fn end(&mut self) {
        self.code.lpswe(FINAL_PSW, Gr::R0);
    }

    /// Writes the image into `folder`. Returns its path.
    pub(crate) fn write(mut self, folder: &Path) -> PathBuf {
        self.end();
        let code = self.code.finish().unwrap();
        self.data.push((CODE, code));
        let mut image = vec![0; IMAGE];
        for (at, bytes) in &self.data {
            image[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let path = folder.join("image");
        std::fs::write(&path, image).unwrap();
        path
    }
}

/// Builds a request of 32 bytes with room for its response. `operation` and `spaces` are for a call that sets
/// a function.
fn clp(command: u16, response: u16, operation: u8, spaces: u8) -> Vec<u8> {
    let mut block = vec![0; 32 + usize::from(response)];
    block[..2].copy_from_slice(&32_u16.to_be_bytes());
    block[2..4].copy_from_slice(&command.to_be_bytes());
    block[22] = operation;
    block[23] = spaces;
    block[32..34].copy_from_slice(&response.to_be_bytes());
    block
}

/// Returns QEMU's arguments for a machine with functions of these fids at these sockets.
pub(crate) fn machine(functions: &[(u32, &Path)]) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-object",
        "memory-backend-memfd,id=ram,size=512M,share=on",
        "-machine",
        "memory-backend=ram",
        "-action",
        "panic=shutdown",
    ]
    .map(str::to_owned)
    .to_vec();
    for (fid, socket) in functions {
        let device = serde_json::json!({
            "driver": "vfio-user-pci", "id": format!("ism{fid}"),
            "socket": { "type": "unix", "path": socket },
        });
        arguments.extend([
            "-device".to_owned(),
            format!("zpci,uid={fid},fid={fid},target=ism{fid}"),
            "-device".to_owned(),
            device.to_string(),
        ]);
    }
    arguments
}
