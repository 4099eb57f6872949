//! The loads and stores that may reach a zPCI function.
//!
//! On s390 a PCI function is reached by instructions: PCISTB stores a block, PCILG loads a register.
//! ISM depends on their exact shape. This crate defines a load or store, the ways in which a client
//! sends one, the rules about its shape, and the facts that the machine reports of the function:
//!
//! - [`access`]: one load or store as a value (path, pcias, offset, bytes);
//! - [`request`]: the zPCI I/O region of the 2020/21 series, both directions: header, request,
//!   where a request's bytes travel, register image;
//! - [`clp`]: the CLP facts of a function and its group (maximum store block length, relaxed
//!   flag), and the VFIO device-info capabilities that carry them;
//! - [`shape`]: the checker for the rules about the shape of one access, and of a block store that
//!   arrives in pieces;
//! - [`judgement`]: reports broken rules, and refuses accesses;
//! - [`rule`]: the catalogue of all rules, those of the `ism` crate too: id, reason, source,
//!   severity; violations and who is told of them.
//!
//! A request's way through it: [`request::Request::parse`] understands the bytes,
//! [`request::CarrierPolicy::choose`] says where the payload is, the owner of the memory fetches it
//! into a [`Store`], [`ShapeChecker::store`] judges, and the device carries it out. A BAR write
//! becomes a [`Store`] at once.
//!
//! ```
//! use zpci_region::shape::{BarRole, BarShape, Contracts, ShapeConfig};
//! use zpci_region::{Instruction, Observer, Path, Rule, RuleSet, ShapeChecker, Store, Violation};
//!
//! struct Seen(Vec<(Rule, usize)>);
//! impl Observer for Seen {
//!     fn violation(&mut self, violation: &Violation) {
//!         self.0.push((violation.rule, violation.pieces));
//!     }
//! }
//!
//! let command = BarShape { size: 4096, role: BarRole::Command };
//! let mut checker = ShapeChecker::new(ShapeConfig {
//!     maxstbl: 4096,
//!     relaxed: true,
//!     contracts: Contracts { region: true, bar: true },
//!     bars: [None, None, Some(command), None, None, None],
//!     rules: RuleSet::default(),
//! });
//! let mut seen = Seen(Vec::new());
//! // 16 bytes of payload, cut into two.
//! for offset in [8, 16] {
//!     let (path, instruction) = (Path::Bar, Instruction::Pcistb);
//!     let piece = Store { path, instruction, pcias: 2, offset, data: &[0; 8], gaddr: None };
//!     checker.store(&piece, &mut seen).unwrap();
//! }
//! checker.settle(&mut seen);
//! assert_eq!(seen.0, [(Rule::SplitBlockStore, 2)]);
//! ```
//!
//! The crate is pure: no socket, clock, runtime or unsafe code.
//!
//! Non-goal: the crate does not know what the ISM device does with a store. The `ism` crate does.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod access;
pub mod clp;
pub mod judgement;
pub mod request;
pub mod rule;
pub mod shape;

pub use access::{Failure, Instruction, Load, Path, Store};
pub use clp::ClpFacts;
pub use judgement::{Judgement, Place, Refusal};
pub use request::{Carrier, CarrierPolicy, Request};
pub use rule::{Observer, Rule, RuleSet, Severity, Violation};
pub use shape::ShapeChecker;
