//! Carries out the requests on the control socket.

use serde_json::{Value, json};

use super::request::Request;
use crate::hub::Hub;
use crate::record::metrics;

/// The answer to a request.
pub(super) enum Answer {
    /// One line of JSON.
    Line(Value),
    /// A stream of events.
    Events,
}

/// Carries out the request in one line.
pub(super) fn answer(line: &[u8], hub: &Hub) -> Answer {
    match Request::read(line) {
        Ok(Request::Events {}) => Answer::Events,
        Ok(request) => Answer::Line(carry_out(request, hub).unwrap_or_else(|why| failure(&why))),
        Err(why) => Answer::Line(failure(&why)),
    }
}

/// Builds the answer to a request that failed.
pub(super) fn failure(why: &str) -> Value {
    json!({ "ok": false, "error": why })
}

fn carry_out(request: Request, hub: &Hub) -> Result<Value, String> {
    let mut answer = match request {
        Request::Functions {} => json!({ "functions": hub.function_states() }),
        Request::Faults {} => faults(hub),
        Request::Set { fault } => {
            hub.set_fault(fault)
                .map_err(|error| format!("fault.{error}"))?;
            json!({})
        }
        Request::Clear { id } => match (hub.clear_faults(id.as_deref()), id) {
            (0, Some(id)) => return Err(format!("id: {id:?}, expected the id of a fault")),
            (cleared, _) => json!({ "cleared": cleared }),
        },
        Request::Inject {
            function,
            peer,
            action,
        } => {
            let named = |key: &str, name: &str| {
                hub.function_named(name).ok_or_else(|| {
                    let names: Vec<&str> = hub.names().take(8).collect();
                    let names = names.join(", ");
                    format!("{key}: {name:?}, expected the name of a function: {names}")
                })
            };
            let id = named("function", &function)?;
            let peer = peer.map(|peer| named("peer", &peer)).transpose()?;
            hub.inject(id, peer, action)
                .map_err(|error| error.to_string())?;
            json!({})
        }
        Request::Report {} => json!({ "report": hub.report() }),
        Request::Metrics {} => json!({ "metrics": metrics::text(&hub.report()) }),
        Request::Events {} => json!({}),
    };
    answer["ok"] = true.into();
    Ok(answer)
}

fn faults(hub: &Hub) -> Value {
    let (faults, counts) = hub.faults();
    let names: Vec<&str> = hub.names().collect();
    let faults = faults.iter().map(|fault| {
        let mut shown = json!(fault);
        let own = counts.iter().filter(|count| count.id == fault.id);
        let own = own.map(|count| {
            let function = names.get(count.function.0);
            json!({ "function": function, "chances": count.chances, "injected": count.injected })
        });
        shown["counts"] = own.collect();
        shown
    });
    json!({ "faults": faults.collect::<Vec<_>>() })
}
