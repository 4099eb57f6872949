//! From a load or store to the part of the function that it is for.

use zpci_region::access::{Failure, Load, Refusal, Store};

use crate::FunctionId;
use crate::command::window::{Payload, Request};
use crate::command::{self, Call, Command, Response, ResponseCode};
use crate::data_move;
use crate::fabric::{Fabric, no_function};
use crate::finding::{Place, judge};
use crate::host::Host;
use crate::layout::{COMMAND_BAR, DATA_BAR, Fields, MSIX_BAR};
use crate::order;
use crate::record::{CommandRecord, DeviceObserver};

pub(crate) fn store(
    fabric: &mut Fabric,
    id: FunctionId,
    store: &Store<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Result<(), Refusal> {
    let function = fabric.get_mut(id).ok_or_else(|| no_function(id))?;
    function.gone = false;
    function.shape.store(store, observer)?;
    match store.pcias {
        DATA_BAR => data_move::store(fabric, id, store, host, observer),
        COMMAND_BAR => command_store(fabric, id, store, host, observer),
        MSIX_BAR => {
            function.msix.write(store.offset, store.data);
            Ok(())
        }
        // The shape rules have refused every other one.
        _ => Err(no_bar(store.pcias)),
    }
}

pub(crate) fn load(
    fabric: &mut Fabric,
    id: FunctionId,
    load: &Load,
    out: &mut [u8],
    observer: &mut dyn DeviceObserver,
) -> Result<(), Refusal> {
    let function = fabric.get_mut(id).ok_or_else(|| no_function(id))?;
    function.gone = false;
    if out.len() != load.len {
        return Err(wrong_buffer(load.len, out.len()));
    }
    function.shape.load(load, observer)?;
    match load.pcias {
        DATA_BAR => out.fill(0),
        COMMAND_BAR => {
            let mut findings = Vec::new();
            order::command::load(&function.window, load, &mut findings);
            judge(findings, load.into(), &function.config.rules, observer)?;
            function.window.read(load.offset, out);
            function.window.loaded(load.offset);
        }
        MSIX_BAR => function.msix.read(load.offset, out),
        _ => return Err(no_bar(load.pcias)),
    }
    Ok(())
}

fn wrong_buffer(expected: usize, got: usize) -> Refusal {
    Refusal {
        failure: Failure::Invalid,
        rule: None,
        reason: format!("room for {got} bytes of a load, expected {expected}"),
    }
}

fn no_bar(pcias: u8) -> Refusal {
    Refusal {
        failure: Failure::Invalid,
        rule: None,
        reason: format!("there is no BAR {pcias}"),
    }
}

/// What is to be done with a request whose header is complete.
enum Doorbell<'a> {
    Run(Call<'a>),
    Answer(Response),
}

fn command_store(
    fabric: &mut Fabric,
    id: FunctionId,
    store: &Store<'_>,
    host: &mut dyn Host,
    observer: &mut dyn DeviceObserver,
) -> Result<(), Refusal> {
    let function = fabric.get(id).ok_or_else(|| no_function(id))?;
    let mut findings = Vec::new();
    order::command::store(&function.window, store, &mut findings);
    // The window changes only when nothing refuses the store.
    let pending = function.window.with(store.offset, store.data);
    let request = Some(&pending).filter(|request| request.is_complete());
    let doorbell = request.map(|request| {
        order::command::doorbell(request, &mut findings);
        let doorbell = understand(id, request);
        if let Doorbell::Run(call) = &doorbell {
            command::judge(fabric, *call, &mut findings);
        }
        doorbell
    });
    judge(
        findings,
        Place::from(store),
        &function.config.rules,
        observer,
    )?;
    if let Some(function) = fabric.get_mut(id) {
        function.window.keep(&pending);
    }
    if let (Some(doorbell), Some(request)) = (doorbell, request) {
        let response = match doorbell {
            Doorbell::Run(call) => command::run(fabric, call, host, observer),
            Doorbell::Answer(response) => response,
        };
        answer(fabric, id, request, &response, observer);
    }
    Ok(())
}

fn understand(id: FunctionId, request: &Request) -> Doorbell<'_> {
    let refuse = |code| Doorbell::Answer(Response::error(request.command(), code));
    let Some(command) = Command::from_code(request.command()) else {
        return refuse(ResponseCode::UnknownCommand);
    };
    if request.len() != command.request_len() {
        return refuse(ResponseCode::BadLength);
    }
    match request.payload() {
        Payload::Complete | Payload::Longer { .. } => Doorbell::Run(Call {
            function: id,
            command,
            fields: Fields(request.announced()),
        }),
        Payload::Short { .. } | Payload::Gap { .. } => refuse(ResponseCode::MissingPayload),
    }
}

fn answer(
    fabric: &mut Fabric,
    id: FunctionId,
    request: &Request,
    response: &Response,
    observer: &mut dyn DeviceObserver,
) {
    if let Some(function) = fabric.get_mut(id) {
        let starved = response.code() == ResponseCode::MissingPayload;
        function.window.answer(response, starved);
        let totals = &mut function.totals;
        totals.commands = totals.commands.saturating_add(1);
        if response.code() != ResponseCode::Success {
            totals.failed_commands = totals.failed_commands.saturating_add(1);
        }
    }
    observer.command(&CommandRecord {
        function: id,
        code: request.command(),
        name: Command::from_code(request.command()).map_or("UNKNOWN", Command::name),
        request: request.announced(),
        response_code: response.code().value(),
        response: &response.image(),
    });
}
