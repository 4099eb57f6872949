//! Shell commands that change the state of a guest's drivers and functions.

use crate::qemu::{address, fid};

/// Unbinds the driver from function `index`.
pub(super) fn unbind(index: usize) -> String {
    format!("echo {} >/sys/bus/pci/drivers/ism/unbind", address(index))
}

/// Binds the driver to function `index`.
pub(super) fn bind(index: usize) -> String {
    format!("echo {} >/sys/bus/pci/drivers/ism/bind", address(index))
}

/// Makes the kernel recover function `index`.
pub(super) fn recover(index: usize) -> String {
    format!("echo 1 >/sys/bus/pci/devices/{}/recover", address(index))
}

/// Removes function `index` from the bus.
pub(super) fn remove(index: usize) -> String {
    format!("echo 1 >/sys/bus/pci/devices/{}/remove", address(index))
}

/// Makes the kernel search the bus for functions.
pub(super) fn rescan() -> String {
    "echo 1 >/sys/bus/pci/rescan".to_owned()
}

/// Switches the slot of function `index` on or off. Linux names a slot by the function's id.
pub(super) fn power(index: usize, on: bool) -> String {
    let value = u8::from(on);
    format!("echo {value} >/sys/bus/pci/slots/{:08x}/power", fid(index))
}

/// Unloads the modules of SMC-D and loads them again.
pub(super) fn reload() -> String {
    "sh /lab/unload smc_diag smc ism || exit; \
     grep -E '/(ism|smc|smc_diag)[.]ko$' /lib/lab/order >/run/lab/reload; \
     while read -r file; do insmod $file || exit 1; done </run/lab/reload; sh /lab/smc-buffers"
        .to_owned()
}

/// Adds the VLAN `id` to the network card.
pub(super) fn vlan_up(id: u16) -> String {
    format!("sh /lab/vlan {id}")
}

/// Removes the VLAN `id` from the network card.
pub(super) fn vlan_down(id: u16) -> String {
    format!("ip link del eth0.{id}")
}

/// Succeeds if a driver is bound to function `index`.
pub(super) fn is_bound(index: usize) -> String {
    format!("[ -e /sys/bus/pci/devices/{}/driver ]", address(index))
}

/// Prints the kernel's CHID of function `index`.
pub(super) fn chid(index: usize) -> String {
    format!("cat /sys/bus/pci/devices/{}/pchid", address(index))
}

/// Starts a server of the guest tool, and waits until it listens.
pub(super) fn serve(port: u16, tcp: bool) -> String {
    let proto = if tcp { "tcp" } else { "smc" };
    format!(
        "smcd-tool serve --port {port} --proto {proto} >/run/lab/served{port} 2>/run/lab/serve{port} & \
         until grep -q listening /run/lab/serve{port}; do \
         kill -0 $! 2>/dev/null || {{ cat /run/lab/serve{port}; exit 1; }}; sleep 0.1; done"
    )
}

/// Prints the stacks of the kernel's threads and of the programs that are in SMC or ism.
pub(super) fn stacks() -> String {
    "for task in /proc/[0-9]*/task/*; do stack=$(cat $task/stack 2>/dev/null); case \"$stack\" in \
     *smc_*|*ism_*) echo \"$(cat $task/comm):\" $stack;; esac; done"
        .to_owned()
}
