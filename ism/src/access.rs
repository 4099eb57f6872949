//! Dispatch of a load or store to the part of the function that it addresses.

use zpci_region::access::{Failure, Load, Store};
use zpci_region::judgement::{Judgement, Place, Refusal};

use crate::command::{doorbell, order};
use crate::data_move;
use crate::function::Function;
use crate::layout::{COMMAND_BAR, DATA_BAR, MSIX_BAR};
use crate::record::DeviceObserver;
use crate::turn::Turn;

pub(crate) fn store(turn: &mut Turn<'_>, store: &Store<'_>) -> Result<(), Refusal> {
    let function = &mut turn.state[turn.id];
    if is_nothing(function, store.into()) {
        return Ok(());
    }
    function.gone = false;
    function.shape.store(store, turn.observer)?;
    match store.pcias {
        DATA_BAR => data_move::store(turn, store),
        COMMAND_BAR => doorbell::store(turn, store),
        MSIX_BAR => {
            function.msix.write(store.offset, store.data);
            Ok(())
        }
        // The shape rules have refused every other BAR.
        _ => Err(invalid(format!("there is no BAR {}", store.pcias))),
    }
}

pub(crate) fn load(
    function: &mut Function,
    load: &Load,
    out: &mut [u8],
    observer: &mut dyn DeviceObserver,
) -> Result<(), Refusal> {
    if is_nothing(function, load.into()) {
        return Ok(());
    }
    function.gone = false;
    if out.len() != load.len {
        let (expected, got) = (load.len, out.len());
        return Err(invalid(format!(
            "room for {got} bytes of a load, expected {expected}"
        )));
    }
    function.shape.load(load, observer)?;
    match load.pcias {
        DATA_BAR => out.fill(0),
        COMMAND_BAR => {
            let mut judgement = Judgement::new(&function.config.rules, observer, load);
            order::load(&function.window, load, &mut judgement);
            judgement.verdict()?;
            function.window.read(load.offset, out);
            function.window.loaded(load.offset, load.len);
        }
        MSIX_BAR => function.msix.read(load.offset, out),
        _ => return Err(invalid(format!("there is no BAR {}", load.pcias))),
    }
    Ok(())
}

/// True for an access of 0 bytes to a BAR that exists. Such an access does nothing and succeeds (as in Linux
/// 7.2 `drivers/vfio/pci/ism/main.c`). A request through the zPCI I/O region names an instruction, and no
/// instruction has 0 bytes.
fn is_nothing(function: &Function, place: Place) -> bool {
    place.len == 0 && place.path.is_bar() && function.config.bar_size(place.pcias).is_some()
}

fn invalid(reason: String) -> Refusal {
    Refusal {
        failure: Failure::Invalid,
        rule: None,
        reason,
    }
}
