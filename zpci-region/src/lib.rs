//! The loads and stores that may reach a zPCI function.
//!
//! On s390, programs reach a PCI function by instructions: PCISTB stores a block, PCILG loads a register. ISM
//! depends on the exact shape of these accesses. This crate defines a load or store, the ways in which a
//! client sends one, the rules about its shape, and the facts that the machine reports about the function:
//!
//! - [`access`]: one load or store as a value (path, pcias, offset, bytes);
//! - [`request`]: the zPCI I/O region of the 2020/21 patch series, in both directions: header, request,
//!   carriers of the bytes, register image;
//! - [`clp`]: the CLP facts of a function and its group (maximum store block length, relaxed flag), and the
//!   VFIO device-info capabilities that carry them;
//! - [`shape`]: the checker for the rules about the shape of one access, and of a block store that arrives in
//!   pieces;
//! - [`judgement`]: reports broken rules, and refuses accesses;
//! - [`rule`]: the catalogue of all rules, including those of the `ism` crate: id, reason, source, severity;
//!   violations and their observers.
//!
//! A request takes this way: [`request::Request::parse`] parses the bytes, [`request::CarrierPolicy::choose`]
//! decides where the payload is, the owner of the memory fetches the payload into a [`Store`],
//! [`ShapeChecker::store`] judges the store, and the device carries it out. A BAR write becomes a [`Store`]
//! at once.
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
//! The crate is pure: it has no socket, clock, runtime or unsafe code.
//!
//! Non-goal: the crate does not know the effect of a store on the ISM device. The `ism` crate does.
#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc)]
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
