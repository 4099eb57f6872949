//! A scenario as a file has it.

use std::collections::BTreeMap;

use ism::fault::{self, Fault, deserialize_action};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// A scenario: the actions of guests, the events that they meet, and the checks at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// 1.
    pub schema_version: u32,
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// A sentence that says what the scenario shows.
    pub shows: String,
    /// Whether `--scenario default` runs it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_default: bool,
    /// The lab that it runs in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lab: Shape,
    /// The steps, in this order.
    pub steps: Vec<Step>,
    /// The checks at the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expect,
}

/// The lab of a scenario. Scenarios with equal labs share one, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shape {
    /// Guests, 1 to 8.
    pub guests: usize,
    /// Functions of each guest, 1 to 8.
    pub functions_per_guest: usize,
    /// How many of them a guest has from the start; `plug` plugs the others. All, without.
    pub plugged: Option<usize>,
    /// Processors of each guest, 1 to 8.
    pub smp: u32,
    /// More for the kernel's command line.
    pub append: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            guests: 1,
            functions_per_guest: 1,
            plugged: None,
            smp: 1,
            append: String::new(),
        }
    }
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The condition that the step waits for. Without one, it starts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    #[serde(rename = "do")]
    pub action: Action,
    /// The step fails if waiting and action take longer, in seconds.
    #[serde(default = "default_bound", skip_serializing_if = "is_default_bound")]
    pub within_s: u64,
}

fn default_bound() -> u64 {
    120
}

fn is_default_bound(bound: &u64) -> bool {
    *bound == default_bound()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A function of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The guest, from 0.
    pub guest: usize,
    /// Which of its functions, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
}

/// The condition that a step waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "StepCondition")]
pub(crate) enum When {
    /// So many seconds since the scenario began.
    AfterS(f64),
    /// The function carried out this ISM command so often since the scenario began.
    Command(CommandCount),
    /// The function made so many data moves since the scenario began.
    Moves(Count),
    /// The function raised so many interrupts since the scenario began.
    Interrupts(Count),
    /// The guest printed this text since the scenario began: on its console, or by a command of the
    /// scenario.
    Prints(Prints),
}

/// A count of ISM commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandCount {
    pub guest: usize,
    /// Which of its functions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// The command's name, as in the event file: `REG_DMB`.
    pub name: String,
    /// How often.
    pub nth: u64,
}

/// A count of moves or interrupts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub guest: usize,
    /// Which of its functions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// How many.
    pub nth: u64,
}

/// A text that a guest prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prints {
    pub guest: usize,
    pub text: String,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "StepAction")]
pub(crate) enum Action {
    /// Runs a shell command in a guest.
    Run(Run),
    /// Waits for the end of a command that was started with `name`.
    Finish(Named),
    /// Starts `smcd-tool serve` in a guest and waits until it listens. It ends with the scenario.
    Serve(Serve),
    /// Waits so many seconds.
    WaitS(f64),
    /// Takes the driver from a function.
    Unbind(Place),
    /// Gives a function to the driver.
    Bind(Place),
    /// Lets the guest's kernel recover a function (`recover` in sysfs, which resets it).
    Recover(Place),
    /// Switches the function's slot off.
    PowerOff(Place),
    /// Switches the function's slot on.
    PowerOn(Place),
    /// Takes a function from the guest's bus (`remove` in sysfs).
    Remove(Place),
    /// Lets the guest look for functions on its bus.
    Rescan(OfGuest),
    /// Unloads the modules smc_diag, smc and ism, and loads them again.
    Reload(OfGuest),
    /// Plugs a function that the guest lacks into its QEMU (QMP), and waits until a driver is bound.
    Plug(Place),
    /// Unplugs a function from the guest's QEMU (QMP), and waits until it is gone.
    Unplug(Place),
    /// Cuts the guest's network card from the network, as a pulled cable (QMP).
    LinkDown(OfGuest),
    /// Joins it again.
    LinkUp(OfGuest),
    /// Stops the guest's processors (QMP).
    Pause(OfGuest),
    /// Lets them go on.
    Resume(OfGuest),
    /// Adds a VLAN interface to the guest's network card, `eth0.ID`, with the address 10.1.X.N+1 for guest
    /// N, where X is the id's remainder by 256.
    VlanUp(Vlan),
    /// Removes the VLAN interface.
    VlanDown(Vlan),
    /// Reboots the guest and waits until it takes commands again.
    Reboot(OfGuest),
    /// Kills the guest's QEMU.
    Kill(OfGuest),
    /// Something that happens to the server of the functions.
    Server(ServerAction),
    /// Carries out a command of QEMU's monitor (QMP) as it stands.
    Qmp(Qmp),
    /// Sets a fault of the server (`docs/faults.md`). It must have acted by the scenario's end, where
    /// all faults are cleared.
    Fault(Box<Fault>),
    /// Clears all faults.
    ClearFaults,
    /// Sends a request to the server's control socket as it stands.
    Ctl(Value),
    /// Carries out an action of a fault at once.
    Inject(Inject),
}

/// Something that happens to the server of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerAction {
    /// It is killed.
    Kill,
    /// It is killed and started again, with the same sockets.
    Restart,
    /// It is stopped: it answers nothing.
    Stop,
    /// It goes on.
    Continue,
}

/// An action of a fault that is carried out at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inject {
    pub guest: usize,
    /// Which of its functions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// The guest whose first function is the action's peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// The action, as in `do` of a fault: one of those that hit a whole function.
    #[serde(deserialize_with = "deserialize_action")]
    #[schemars(schema_with = "Fault::action_schema")]
    pub action: fault::Action,
}

/// A command of QEMU's monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Qmp {
    /// The guest whose QEMU it is for.
    pub guest: usize,
    /// The command's name.
    pub execute: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "is_default")]
    pub arguments: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfGuest {
    /// The guest, from 0.
    pub guest: usize,
}

/// A VLAN of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vlan {
    pub guest: usize,
    /// Its id, 1 to 4094.
    pub id: u16,
}

/// A command that was started with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub name: String,
}

/// A server of the guest tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Serve {
    pub guest: usize,
    pub port: u16,
    /// Whether it listens on TCP instead of SMC.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tcp: bool,
}

/// A shell command in a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub guest: usize,
    pub command: String,
    /// With a name the command runs beside the following steps, until `finish` or the scenario's end
    /// waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Exit statuses that are right; any, if the list is empty.
    #[serde(default = "success", skip_serializing_if = "is_success")]
    pub status: Vec<u8>,
    /// Texts that standard output and error must contain.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prints: Vec<String>,
    /// Whether the guest ends or reboots before the command does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cut_off: bool,
    /// The expected values in the JSON object on the last line of standard output, by JSON pointer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub json: BTreeMap<String, Check>,
}

fn success() -> Vec<u8> {
    vec![0]
}

fn is_success(status: &[u8]) -> bool {
    status == [0]
}

/// The expected value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, from = "Value")]
pub(crate) enum Check {
    /// A number in a range.
    Range(Range),
    /// This value.
    Is(Value),
}

impl From<Value> for Check {
    /// An object with nothing but `min` and `max` is a range.
    fn from(value: Value) -> Self {
        let range = value.as_object().filter(|object| !object.is_empty());
        match range.and_then(|_| serde_json::from_value(value.clone()).ok()) {
            Some(range) => Self::Range(range),
            None => Self::Is(value),
        }
    }
}

/// A range of numbers; both ends are in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// The least; without, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most; without, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// The checks at the end. The defaults are those of a guest and a device without trouble: every
/// guest and the server run, no kernel reports a fault, no rule is broken, no SMC-D connection stays,
/// and once the driver is taken from its function, the server holds nothing of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// Guests whose QEMU must have ended; all others must run.
    pub guests_ended: Vec<usize>,
    /// Whether the server must have ended.
    pub server_ended: bool,
    /// Beginnings of kernel reports that may be there.
    pub splats: Vec<String>,
    /// Rules that must be broken.
    pub rules_broken: Vec<String>,
    /// Rules that may be broken; no other may be, as far as its severity is `warn` or above.
    pub rules_allowed: Vec<String>,
    /// The bytes that functions must have carried since the scenario began.
    pub carried: Vec<Carried>,
    /// How long connections may take to be closed or to be TCP, in seconds.
    pub sockets_within_s: u64,
    /// Functions that may be unusable at the end: their drivers are not taken and given back.
    pub lost_functions: Vec<Place>,
    /// DMBs that the server may still hold for each function once its driver is taken.
    pub dmbs_left: u64,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            guests_ended: Vec::new(),
            server_ended: false,
            splats: Vec::new(),
            rules_broken: Vec::new(),
            rules_allowed: Vec::new(),
            carried: Vec::new(),
            sockets_within_s: 60,
            lost_functions: Vec::new(),
            dmbs_left: 0,
        }
    }
}

/// The bytes that a function must have carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carried {
    pub guest: usize,
    /// Which of its functions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// The CHID that the guest's kernel must give for the function: `0x07c0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chid: Option<String>,
    /// Data moves that it made.
    pub moves: Range,
    /// Interrupts that it raised.
    pub interrupts: Range,
}
