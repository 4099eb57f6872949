//! A checked profile, with every default filled in.

use std::collections::BTreeMap;

use ism::FunctionConfig;
use ism::fault::{self, Fault};
use ism::profile::{Contract, DeviceSettings, FunctionSettings, Profile, SCHEMA_VERSION};
use records::is_plain_name;
use serde_json::json;
use zpci_region::clp::{ClpFacts, MAXSTBL_LIMIT, pnetid_util_str};
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::rule::{Group, Rule, RuleSet};
use zpci_region::shape::Contracts;
use zpci_region::{CarrierPolicy, Severity};

use super::error::KeyError;
use crate::client::channel;
use crate::limits::{MAX_FAULTS, MAX_FUNCTIONS};
use crate::message_names;

/// The functions that clients see.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the profile.
    pub name: String,
    /// The functions of the fabric.
    pub functions: Vec<FunctionPlan>,
    /// The faults that are active from the start.
    pub faults: Vec<Fault>,
}

/// One function as a client and its driver see it.
#[derive(Clone, Debug)]
pub struct FunctionPlan {
    /// The configuration of the device.
    pub config: FunctionConfig,
    /// The file name of the function's socket in a socket folder.
    pub socket: String,
    /// The PNETID of the function's port, if it has one.
    pub pnetid: Option<String>,
    /// The places where a request may have its bytes.
    pub carrier: CarrierPolicy,
}

impl Plan {
    /// Checks a profile and fills in the defaults.
    pub fn new(profile: Profile) -> Result<Self, KeyError> {
        if profile.schema_version != SCHEMA_VERSION {
            let found = profile.schema_version;
            return Err(KeyError::new(
                "schema_version",
                format!("{found}, expected {SCHEMA_VERSION}"),
            ));
        }
        if profile.functions.is_empty() || profile.functions.len() > MAX_FUNCTIONS {
            let found = profile.functions.len();
            return Err(KeyError::new(
                "functions",
                format!("{found} functions, expected 1..={MAX_FUNCTIONS}"),
            ));
        }
        let mut rules = RuleSet::default();
        apply_rules(&mut rules, &profile.rules, "rules")?;
        let mut functions: Vec<FunctionPlan> = Vec::with_capacity(profile.functions.len());
        for (at, settings) in profile.functions.iter().enumerate() {
            let function = FunctionPlan::new(at, settings, &profile.device, &rules)?;
            check_unique(at, &function, &functions)?;
            functions.push(function);
        }
        check_faults(&profile.faults, &functions)?;
        Ok(Self {
            name: profile.name,
            functions,
            faults: profile.faults,
        })
    }

    /// Returns the profile with every default filled in, as JSON that can be loaded again.
    pub fn show(&self) -> serde_json::Value {
        json!(Profile {
            schema_version: SCHEMA_VERSION,
            name: self.name.clone(),
            description: None,
            device: DeviceSettings::default(),
            rules: BTreeMap::new(),
            functions: self.functions.iter().map(FunctionPlan::settings).collect(),
            faults: self.faults.clone(),
        })
    }
}

impl FunctionPlan {
    fn new(
        at: usize,
        function: &FunctionSettings,
        common: &DeviceSettings,
        rules: &RuleSet,
    ) -> Result<Self, KeyError> {
        let key = |name: &str| format!("functions[{at}].{name}");
        if !is_plain_name(&function.name) {
            return Err(KeyError::new(
                key("name"),
                format!(
                    "{:?}, expected 1 to 64 letters, digits, '-' or '_'",
                    function.name
                ),
            ));
        }
        let socket = function
            .socket
            .clone()
            .unwrap_or_else(|| format!("{}.sock", function.name));
        if !is_plain_name(&socket.replace('.', "_")) || socket.starts_with('.') {
            return Err(KeyError::new(
                key("socket"),
                format!("{socket:?}, expected a file name of letters, digits, '.', '-' or '_'"),
            ));
        }
        let device = Device {
            at,
            common,
            own: &function.device,
        };
        let mut rules = rules.clone();
        apply_rules(&mut rules, &function.rules, &key("rules"))?;
        let contracts = device.pick(|settings| settings.contracts.clone()).0;
        let contracts = contracts.unwrap_or_else(|| vec![Contract::Region, Contract::Bar]);
        let gid = parse_gid(&function.gid).map_err(|problem| KeyError::new(key("gid"), problem))?;
        let data_bar_bits = device.range(
            "data_bar_bits",
            |settings| settings.data_bar_bits,
            33,
            48,
            48,
        )?;
        Ok(Self {
            config: FunctionConfig {
                clp: device.clp()?,
                contracts: Contracts {
                    region: contracts.contains(&Contract::Region),
                    bar: contracts.contains(&Contract::Bar),
                },
                rules,
                msix: device.pick(|settings| settings.msix).0.unwrap_or(true),
                class: device.class_code()?,
                data_bar_size: 1 << data_bar_bits,
                ..FunctionConfig::new(&function.name, gid)
            },
            socket,
            pnetid: device.pick(|settings| settings.pnetid.clone()).0,
            carrier: device
                .pick(|settings| settings.payload_carrier)
                .0
                .unwrap_or_default(),
        })
    }

    /// Returns all settings of this function, without omissions.
    fn settings(&self) -> FunctionSettings {
        let config = &self.config;
        let contracts = [
            (config.contracts.region, Contract::Region),
            (config.contracts.bar, Contract::Bar),
        ];
        let contracts = contracts
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name));
        FunctionSettings {
            name: config.name.clone(),
            gid: format!("{:#018x}", config.gid),
            socket: Some(self.socket.clone()),
            device: DeviceSettings {
                max_store_block_length: Some(config.clp.maxstbl),
                relaxed: Some(config.clp.relaxed),
                contracts: Some(contracts.collect()),
                payload_carrier: Some(self.carrier),
                msix: Some(config.msix),
                class_code: Some(format!("{:#08x}", config.class)),
                data_bar_bits: Some(config.data_bar_size.trailing_zeros() as u8),
                pchid: Some(config.clp.pchid),
                pnetid: self.pnetid.clone(),
            },
            rules: CATALOGUE
                .iter()
                .map(|info| (info.id.to_owned(), config.rules.severity(info.rule)))
                .collect(),
        }
    }
}

/// The settings of a function over those of the profile.
struct Device<'a> {
    at: usize,
    common: &'a DeviceSettings,
    own: &'a DeviceSettings,
}

impl Device<'_> {
    /// Returns a setting, and the path of the object that contains it.
    fn pick<T>(&self, get: impl Fn(&DeviceSettings) -> Option<T>) -> (Option<T>, String) {
        match get(self.own) {
            Some(value) => (Some(value), format!("functions[{}].device", self.at)),
            None => (get(self.common), "device".to_owned()),
        }
    }

    fn range<T: Copy + PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        get: impl Fn(&DeviceSettings) -> Option<T>,
        least: T,
        most: T,
        default: T,
    ) -> Result<T, KeyError> {
        let (value, key) = self.pick(get);
        match value {
            None => Ok(default),
            Some(value) if (least..=most).contains(&value) => Ok(value),
            Some(value) => Err(KeyError::new(
                format!("{key}.{name}"),
                format!("{value}, expected {least}..={most}"),
            )),
        }
    }

    fn class_code(&self) -> Result<u32, KeyError> {
        let (code, key) = self.pick(|settings| settings.class_code.clone());
        let Some(code) = code else { return Ok(0) };
        hex_digits(&code)
            .filter(|digits| digits.len() == 6)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| {
                let problem = format!("{code:?}, expected 0x and 6 hexadecimal digits");
                KeyError::new(format!("{key}.class_code"), problem)
            })
    }

    fn clp(&self) -> Result<ClpFacts, KeyError> {
        let (pchid, pchid_key) = self.pick(|settings| settings.pchid);
        let defaults = ClpFacts::default();
        let pchid = pchid.unwrap_or(defaults.pchid);
        if pchid == 0 || pchid >= 0xff00 {
            // SMC-Dv2 skips a function with 0. To Linux, 0xff00 and above mean an emulated function.
            return Err(KeyError::new(
                format!("{pchid_key}.pchid"),
                format!("{pchid:#06x}, expected 1..=0xfeff"),
            ));
        }
        let (pnetid, pnetid_key) = self.pick(|settings| settings.pnetid.clone());
        let util_str = match pnetid {
            None => [0; 64],
            Some(pnetid) => pnetid_util_str(&pnetid).ok_or_else(|| {
                KeyError::new(
                    format!("{pnetid_key}.pnetid"),
                    format!("{pnetid:?}, expected 1 to 16 characters of A-Z and 0-9"),
                )
            })?,
        };
        Ok(ClpFacts {
            maxstbl: self.range(
                "max_store_block_length",
                |settings| settings.max_store_block_length,
                8,
                MAXSTBL_LIMIT,
                MAXSTBL_LIMIT,
            )?,
            relaxed: self.pick(|settings| settings.relaxed).0.unwrap_or(true),
            pchid,
            util_str,
            ..defaults
        })
    }
}

/// Returns the digits of a number written as `0x...`.
fn hex_digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x")
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn parse_gid(text: &str) -> Result<u64, String> {
    match hex_digits(text).and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(0) => Err("zero means \"no GID\" to SMC-D, expected any other 0x... value".to_owned()),
        Some(gid) => Ok(gid),
        None => Err(format!(
            "{text:?}, expected 0x and 1 to 16 hexadecimal digits"
        )),
    }
}

/// Applies groups first, then single rules, which take precedence.
fn apply_rules(
    rules: &mut RuleSet,
    settings: &BTreeMap<String, Severity>,
    key: &str,
) -> Result<(), KeyError> {
    for (name, severity) in settings {
        if let Some(group) = group(name) {
            for info in CATALOGUE.iter().filter(|info| info.group == group) {
                rules.set(info.rule, *severity);
            }
        } else if Rule::from_id(name).is_none() {
            return Err(KeyError::new(
                format!("{key}.{name}"),
                "no such rule or group, expected an id that `vfio-user-ism rules` lists, or shape, \
                 command, data or smcd",
            ));
        }
    }
    for (name, severity) in settings {
        if let Some(rule) = Rule::from_id(name) {
            rules.set(rule, *severity);
        }
    }
    Ok(())
}

/// Finds the group with this name in profiles.
fn group(name: &str) -> Option<Group> {
    [Group::Shape, Group::Command, Group::Data, Group::Smcd]
        .into_iter()
        .find(|group| group.name() == name)
}

fn check_faults(faults: &[Fault], functions: &[FunctionPlan]) -> Result<(), KeyError> {
    if faults.len() > MAX_FAULTS {
        let problem = format!("{} faults, expected at most {MAX_FAULTS}", faults.len());
        return Err(KeyError::new("faults", problem));
    }
    let names: Vec<&str> = functions
        .iter()
        .map(|function| function.config.name.as_str())
        .collect();
    for (at, fault) in faults.iter().enumerate() {
        fault::check(fault, &names)
            .and_then(|()| message_names::check(fault))
            .map_err(|error| KeyError::new(format!("faults[{at}].{}", error.key), error.problem))?;
        if let Some(other) = faults
            .iter()
            .take(at)
            .position(|other| other.id == fault.id)
        {
            let problem = format!("{:?}, but faults[{other}] has this id already", fault.id);
            return Err(KeyError::new(format!("faults[{at}].id"), problem));
        }
    }
    Ok(())
}

fn check_unique(at: usize, new: &FunctionPlan, known: &[FunctionPlan]) -> Result<(), KeyError> {
    let key = |name: &str| format!("functions[{at}].{name}");
    for other in known {
        let taken = |what| format!("{what} is that of function {:?} already", other.config.name);
        if other.config.name == new.config.name {
            return Err(KeyError::new(
                key("name"),
                taken(format!("{:?}", new.config.name)),
            ));
        }
        if other.config.gid == new.config.gid {
            return Err(KeyError::new(
                key("gid"),
                taken(format!("{:#x}", new.config.gid)),
            ));
        }
        let beside = |socket: &str| format!("{socket}{}", channel::SUFFIX);
        if beside(&other.socket) == new.socket || beside(&new.socket) == other.socket {
            return Err(KeyError::new(
                key("socket"),
                format!(
                    "{:?} beside {:?} of function {:?}: one is the other's instruction channel",
                    new.socket, other.socket, other.config.name
                ),
            ));
        }
        if other.socket == new.socket {
            return Err(KeyError::new(
                key("socket"),
                taken(format!("{:?}", new.socket)),
            ));
        }
        if other.config.clp.pchid != new.config.clp.pchid {
            return Err(KeyError::new(
                key("device.pchid"),
                format!(
                    "{:#06x}, expected {:#06x} as function {:?} of the same fabric",
                    new.config.clp.pchid, other.config.clp.pchid, other.config.name
                ),
            ));
        }
    }
    Ok(())
}
