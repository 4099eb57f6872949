use ism::{DeliveryRecord, EventRecord, FunctionId};

use super::*;

fn write(iova: u64, len: usize) -> ClientOp {
    let bytes = vec![0; len];
    ClientOp::Write { iova, bytes }
}

/// Creates the end of a delivery; `code` identifies it.
fn delivery(code: u32) -> Delivery {
    let record = EventRecord {
        from: FunctionId(0),
        to: FunctionId(0),
        event_type: 2,
        code,
        token: 0,
        info: 0,
        delivered: true,
    };
    Delivery {
        to: FunctionId(0),
        vector: Some(0),
        record: DeliveryRecord::Event(record),
    }
}

fn deliver(code: u32, arrived: bool) -> ClientOp {
    let delivery = delivery(code);
    ClientOp::Deliver { delivery, arrived }
}

/// Queues a group: writes of 8 bytes at these places, then its end.
fn group(queue: &mut ClientQueue, code: u32, places: &[u64]) {
    queue.begin();
    for iova in places {
        queue.push(write(*iova, 8)).unwrap();
    }
    queue.push(deliver(code, true)).unwrap();
}

fn rest(queue: &mut ClientQueue) -> Vec<ClientOp> {
    std::iter::from_fn(|| queue.take()).collect()
}

#[test]
fn what_was_taken_is_under_way_until_the_next_is_asked_for() {
    let mut queue = ClientQueue::default();
    assert!(queue.is_done());
    queue.push(write(0, 8)).unwrap();
    assert!(queue.has_waiting() && !queue.is_done());
    assert_eq!(queue.take(), Some(write(0, 8)));
    assert!(!queue.has_waiting() && !queue.is_done());
    assert_eq!(queue.take(), None);
    assert!(queue.is_done());
}

#[test]
fn the_queue_takes_no_more_operations_than_its_limit() {
    let mut queue = ClientQueue::default();
    let mut code = 0;
    while queue.has_room(1, 0) {
        code += 1;
        queue.begin();
        queue.push(write(0, 0)).unwrap();
        queue.push(deliver(code, true)).unwrap();
    }
    assert_eq!(queue.operations, QUEUED_OPERATIONS);
    let more = std::iter::repeat_with(|| queue.push(write(0, 0)));
    assert_eq!(
        more.take_while(Result::is_ok).count(),
        MOST - QUEUED_OPERATIONS
    );
    assert_eq!(queue.clear().len(), code as usize);
    assert!(queue.is_done() && queue.has_room(QUEUED_OPERATIONS, QUEUED_BYTES));
}

#[test]
fn the_queue_takes_no_more_bytes_than_its_limit() {
    let mut queue = ClientQueue::default();
    let mut queued = 0;
    while queue.has_room(1, 1 << 20) {
        queue.push(write(0, 1 << 20)).unwrap();
        queued += 1 << 20;
    }
    assert_eq!(queued, QUEUED_BYTES);
    assert_eq!(queue.push(write(0, 1 << 20)), Err(QueueFull));
    // Bits and end of the move that filled the queue.
    let masks = vec![0x80];
    queue.push(ClientOp::SetBits { iova: 0, masks }).unwrap();
    queue.push(deliver(1, true)).unwrap();
    while queue.take().is_some() {}
    assert!(queue.has_room(QUEUED_OPERATIONS, QUEUED_BYTES));
}

#[test]
fn a_failure_takes_the_rest_of_its_group_along_and_no_more() {
    let mut queue = ClientQueue::default();
    group(&mut queue, 1, &[0, 0x100, 0x200]);
    group(&mut queue, 2, &[0x300]);
    queue.take();
    queue.fail();
    let left = [deliver(1, false), write(0x300, 8), deliver(2, true)];
    assert_eq!(rest(&mut queue), left);
    assert!(queue.has_room(QUEUED_OPERATIONS, QUEUED_BYTES));
}

#[test]
fn a_range_that_is_not_lent_any_more_cancels_what_meets_it() {
    for (iova, size, cancelled) in [
        (0x100, 0x10, true),
        (0x107, 1, true),
        (0x0f0, 0x11, true),
        (0x108, 0x10, false),
        (0x0f0, 0x10, false),
    ] {
        let mut queue = ClientQueue::default();
        group(&mut queue, 1, &[0x900, 0x100, 0x200]);
        group(&mut queue, 2, &[0x300]);
        let (not_written, under_way) = queue.cancel(iova, Some(size));
        assert!(!under_way);
        if cancelled {
            let lost = NotWritten {
                iova: 0x100,
                len: 8,
            };
            assert_eq!(not_written, [lost], "{iova:#x}");
            let left = [deliver(1, false), write(0x300, 8), deliver(2, true)];
            assert_eq!(rest(&mut queue), left);
        } else {
            assert_eq!((not_written.len(), rest(&mut queue).len()), (0, 6));
        }
    }
}

#[test]
fn what_is_under_way_is_cancelled_with_its_group() {
    let mut queue = ClientQueue::default();
    group(&mut queue, 1, &[0x100, 0x200]);
    group(&mut queue, 2, &[0x100]);
    group(&mut queue, 3, &[0x300]);
    queue.take();
    let (not_written, under_way) = queue.cancel(0x100, Some(8));
    assert!(under_way && !queue.is_done());
    assert_eq!(not_written.len(), 2);
    let left = [
        deliver(1, false),
        deliver(2, false),
        write(0x300, 8),
        deliver(3, true),
    ];
    assert_eq!(rest(&mut queue), left);
}

#[test]
fn everything_is_cancelled_at_once() {
    let mut queue = ClientQueue::default();
    group(&mut queue, 1, &[0]);
    group(&mut queue, 2, &[u64::MAX - 7]);
    assert_eq!(queue.cancel(0, None).0.len(), 2);
    assert_eq!(rest(&mut queue), [deliver(1, false), deliver(2, false)]);
}

#[test]
fn a_drained_queue_keeps_what_is_under_way() {
    let mut queue = ClientQueue::default();
    group(&mut queue, 1, &[0, 8]);
    queue.take();
    assert_eq!(queue.drain(), [delivery(1)]);
    assert!(!queue.is_done() && !queue.has_waiting());
    assert_eq!(queue.take(), None);
    assert!(queue.is_done());
}
