//! The format of a scenario file.

use std::collections::BTreeMap;

use ism::fault::{self, Fault, deserialize_action};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// A scenario: actions of guests, events that happen to them, and checks at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Version of the format: 1.
    pub schema_version: u32,
    /// Name of the scenario: lower-case letters, digits and `-`.
    pub name: String,
    /// A sentence that says what the scenario shows.
    pub shows: String,
    /// Whether `--scenario default` runs it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_default: bool,
    /// Why `--scenario all` leaves this scenario out, such as a fault of the guest's kernel that it shows at
    /// times. Its name plays it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<String>,
    /// The lab of the scenario.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lab: Shape,
    /// The steps, in this order.
    pub steps: Vec<Step>,
    /// The checks at the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expect,
}

/// The lab of a scenario. Scenarios with equal labs run in the same lab, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shape {
    /// Number of guests, 1 to 8.
    pub guests: usize,
    /// Number of functions of each guest, 1 to 8.
    pub functions_per_guest: usize,
    /// Number of functions that a guest has at its start. `plug` adds the others. The default is all.
    pub plugged: Option<usize>,
    /// Number of processors of each guest, 1 to 8.
    pub smp: u32,
    /// Text to add to the kernel's command line.
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

/// An action, and the condition that it waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The condition that the step waits for. Without one, the step starts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    #[serde(rename = "do")]
    pub action: Action,
    /// Longest time for waiting and the action together, in seconds.
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
    /// Number of the guest, from 0.
    pub guest: usize,
    /// Number of the guest's function, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
}

impl Place {
    pub(crate) const fn of(guest: usize, function: usize) -> Self {
        Self { guest, function }
    }
}

/// The condition that a step waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "StepCondition")]
pub(crate) enum When {
    /// This number of seconds has passed since the scenario began.
    AfterS(f64),
    /// The function has carried out this ISM command the given number of times since the scenario began.
    Command(CommandCount),
    /// The function has made this number of data moves since the scenario began.
    Moves(Count),
    /// The function has raised this number of interrupts since the scenario began.
    Interrupts(Count),
    /// The guest has printed this text since the scenario began, on its console or by a command of the
    /// scenario.
    Prints(Prints),
}

/// A count of ISM commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandCount {
    pub guest: usize,
    /// Number of the guest's function, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// Name of the command, as in the event file: `REG_DMB`.
    pub name: String,
    /// Number of times.
    pub nth: u64,
}

/// A count of moves or interrupts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Count {
    pub guest: usize,
    /// Number of the guest's function, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// Number of moves or interrupts.
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
    /// Waits for the end of a command with a `name`.
    Finish(Named),
    /// Starts `smcd-tool serve` in a guest and waits until it listens. It ends with the scenario.
    Serve(Serve),
    /// Waits for this number of seconds.
    WaitS(f64),
    /// Unbinds the driver from a function.
    Unbind(Place),
    /// Binds the driver to a function.
    Bind(Place),
    /// Makes the guest's kernel recover a function (`recover` in sysfs, which resets it).
    Recover(Place),
    /// Switches the function's slot off.
    PowerOff(Place),
    /// Switches the function's slot on.
    PowerOn(Place),
    /// Removes a function from the guest's bus (`remove` in sysfs).
    Remove(Place),
    /// Makes the guest search its bus for functions.
    Rescan(OfGuest),
    /// Unloads the modules smc_diag, smc and ism, and loads them again.
    Reload(OfGuest),
    /// Adds a missing function to the guest's QEMU (QMP), and waits until a driver is bound.
    Plug(Place),
    /// Removes a function from the guest's QEMU (QMP), and waits until it is gone.
    Unplug(Place),
    /// Takes the link of the guest's network card down (QMP).
    LinkDown(OfGuest),
    /// Takes the link of the guest's network card up again.
    LinkUp(OfGuest),
    /// Stops the guest's processors (QMP).
    Pause(OfGuest),
    /// Lets the guest's processors run again.
    Resume(OfGuest),
    /// Adds a VLAN interface to the guest's network card: `eth0.ID`, with the address 10.1.X.N+1 for guest N,
    /// where X is the remainder of the id by 256.
    VlanUp(Vlan),
    /// Removes the VLAN interface.
    VlanDown(Vlan),
    /// Reboots the guest and waits until it takes commands again.
    Reboot(OfGuest),
    /// Kills the guest's QEMU.
    Kill(OfGuest),
    /// Does something to the server of the functions.
    Server(ServerAction),
    /// Sends a command to QEMU's monitor (QMP).
    Qmp(Qmp),
    /// Sets a fault of the server (`docs/faults.md`). It must act before the scenario's end, which clears all
    /// faults.
    Fault(Box<Fault>),
    /// Clears all faults.
    ClearFaults,
    /// Sends a request to the server's control socket.
    Ctl(Value),
    /// Carries out an action of a fault at once.
    Inject(Inject),
}

/// An action on the server of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerAction {
    /// Kills the server.
    Kill,
    /// Kills the server and starts it again, with the same sockets.
    Restart,
    /// Stops the server's process (SIGSTOP), so that it answers nothing.
    Stop,
    /// Lets the server's process continue (SIGCONT).
    Continue,
}

/// An action of a fault that happens at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inject {
    pub guest: usize,
    /// Number of the guest's function, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// Number of the guest whose first function is the action's peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// The action, as in `do` of a fault. It must be one that affects a whole function.
    #[serde(deserialize_with = "deserialize_action")]
    #[schemars(schema_with = "Fault::action_schema")]
    pub action: fault::Action,
}

/// A command of QEMU's monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Qmp {
    /// Number of the guest.
    pub guest: usize,
    /// The command's name.
    pub execute: String,
    /// Arguments of the command.
    #[serde(default, skip_serializing_if = "is_default")]
    pub arguments: serde_json::Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfGuest {
    /// Number of the guest, from 0.
    pub guest: usize,
}

/// A VLAN of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vlan {
    pub guest: usize,
    /// VLAN id, 1 to 4094.
    pub id: u16,
}

/// The name of a started command.
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
    /// Whether the server uses TCP instead of SMC.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tcp: bool,
}

/// A shell command in a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub guest: usize,
    pub command: String,
    /// With a name, the command runs beside the following steps. `finish` or the scenario's end waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Expected exit statuses. An empty list allows any.
    #[serde(default = "success", skip_serializing_if = "is_success")]
    pub status: Vec<u8>,
    /// Texts that standard output and standard error must contain.
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
    /// A number in this range.
    Range(Range),
    /// Exactly this value.
    Is(Value),
}

impl From<Value> for Check {
    /// An object with only `min` and `max` is a range.
    fn from(value: Value) -> Self {
        let range = value.as_object().filter(|object| !object.is_empty());
        match range.and_then(|_| serde_json::from_value(value.clone()).ok()) {
            Some(range) => Self::Range(range),
            None => Self::Is(value),
        }
    }
}

/// A range of numbers, including both ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// Smallest number. Without it, there is no lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number. Without it, there is no upper limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// The checks at the end. By default, every guest and the server must run, no kernel may report a fault, no
/// rule may be broken, and no SMC-D connection may be left. After its driver is unbound, a function may hold
/// nothing in the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// Guests whose QEMU must have ended. All others must run.
    pub guests_ended: Vec<usize>,
    /// Whether the server must have ended.
    pub server_ended: bool,
    /// Beginnings of kernel reports that are allowed.
    pub splats: Vec<String>,
    /// Rules that must be broken.
    pub rules_broken: Vec<String>,
    /// Rules that may be broken. No other rule of severity `warn` or above may be broken.
    pub rules_allowed: Vec<String>,
    /// The traffic that functions must have had since the scenario began.
    pub carried: Vec<Carried>,
    /// Longest time for connections to close or to fall back to TCP, in seconds.
    pub sockets_within_s: u64,
    /// Functions that may be unusable at the end. Their drivers are not unbound and bound.
    pub lost_functions: Vec<Place>,
    /// DMBs that the server may still hold for each function after its driver is unbound.
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

/// The traffic that a function must have had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carried {
    pub guest: usize,
    /// Number of the guest's function, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: usize,
    /// The CHID of the function in the guest's kernel, for example `0x07c0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chid: Option<String>,
    /// Number of data moves of the function.
    pub moves: Range,
    /// Number of interrupts of the function.
    pub interrupts: Range,
}
