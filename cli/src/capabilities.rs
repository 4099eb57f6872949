//! The capabilities of this program as JSON, in the style of QEMU's vhost-user back-ends
//! (`docs/interop/vhost-user.rst`), whose schema has no vfio-user type.

use serde_json::{Value, json};
use vfio_user_protocol::limits;
use zpci_region::request;
use zpci_region::rule::catalogue::CATALOGUE;

use vfio_user_ism_server::client::channel;
use vfio_user_ism_server::{profile, record};

use crate::announce::PLUGIN;

/// The JSON that `--print-capabilities` prints.
pub(crate) fn capabilities() -> Value {
    json!({
        "type": "vfio-user",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": { "major": 0, "minor": 0 },
        "device": { "vendor": "0x1014", "device": "0x04ed", "class": "0x028000" },
        "features": [
            "socket-path", "socket-dir", "fd", "systemd-activation", "ready-fd", "events", "report",
            "fail-on", "write-multiple", "dma-without-descriptor", "instruction-channel", "insn-fd",
            "report-on-sigusr1", "error-on-sigusr2", "twin-socket", "capture", "metrics", "control", "faults", "sandbox",
        ],
        "zpci-io-region": {
            "index": request::REGION_INDEX,
            "type": format!("{:#x}", request::REGION_TYPE),
            "subtype": request::REGION_SUBTYPE,
            "payload-carriers": ["appended", "iova", "process"],
            "instructions": ["pcilg", "pcistb", "pcistg"],
        },
        "instruction-channel": {
            "socket-suffix": channel::SUFFIX,
            "plugin": PLUGIN,
            "regions": [request::REGION_INDEX],
            "commands": channel::COMMANDS.map(|command| command as u16),
        },
        "limits": {
            "max_data_xfer_size": limits::MAX_DATA_XFER_SIZE,
            "max_msg_fds": limits::MAX_MSG_FDS,
            "max_dma_maps": limits::MAX_DMA_MAPS,
        },
        "schema_versions": {
            "profile": profile::SCHEMA_VERSION,
            "events": record::events::SCHEMA_VERSION,
            "report": record::report::SCHEMA_VERSION,
        },
        "rules": CATALOGUE.iter().map(|info| info.id).collect::<Vec<_>>(),
    })
}
