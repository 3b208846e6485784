use super::super::receipt::{Receipt, ReceiptError};
use super::*;
use crate::config::Config;
use mio::{Events, Poll, Token};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

fn inbox() -> (Poll, Inbox) {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    (poll, Inbox::new(waker, 1 << 20))
}

/// Does something on a thread that is not the loop's, and tells what came of it.
fn elsewhere<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, outcome) = channel();
    thread::spawn(move || done.send(act()));
    outcome
}

fn publish(handle: &Handle) -> Result<(), PublishError> {
    handle.publish("topic", MessageKind::Text, "x").map(drop)
}

/// Waits until as many threads wait for room.
fn await_waiting(inbox: &Inbox, threads: usize) {
    let poll = |_: usize| {
        thread::yield_now();
        inbox.mailbox.lock().waiting == threads
    };
    assert!((0..usize::MAX).any(poll));
}

fn fill(handle: &Handle) {
    while handle.try_publish("topic", MessageKind::Text, "x").is_ok() {}
}

#[test]
fn the_loops_own_thread_never_waits() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    fill(&handle);
    assert_eq!(publish(&handle), Err(PublishError::QueueFull));
    assert!(handle.counters().is_ok());
    let _running = inbox.start().unwrap();
    assert_eq!(publish(&handle), Err(PublishError::QueueFull));
    assert!(handle.counters().is_ok());
}

#[test]
fn whoever_waits_goes_on_when_there_is_room() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    let _running = inbox.start().unwrap();
    fill(&handle);
    let published = elsewhere(move || publish(&handle));
    await_waiting(&inbox, 1);
    assert!(inbox.next().is_some());
    assert_eq!(published.recv_timeout(DEADLINE), Ok(Ok(())));
}

#[test]
fn whoever_waits_hears_that_the_loop_has_ended() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    let running = inbox.start().unwrap();
    fill(&handle);
    let publisher = handle.clone();
    let published = elsewhere(move || publish(&publisher));
    let reader = handle.clone();
    let counted = elsewhere(move || reader.counters().map(|_| ()));
    await_waiting(&inbox, 1);
    drop(running);
    assert_eq!(
        published.recv_timeout(DEADLINE),
        Ok(Err(PublishError::Gone))
    );
    assert_eq!(counted.recv_timeout(DEADLINE), Ok(Err(Gone)));
    for _ in 0..2 {
        assert_eq!(publish(&handle), Err(PublishError::Gone));
    }
    assert_eq!(handle.counters().err(), Some(Gone));
    assert_eq!(handle.stop(), Err(Gone));
    assert!(inbox.start().is_err());
}

#[test]
fn a_server_that_never_ran_and_is_dropped_is_gone() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    fill(&handle);
    let publisher = handle.clone();
    let published = elsewhere(move || publish(&publisher));
    await_waiting(&inbox, 1);
    drop(inbox);
    assert_eq!(
        published.recv_timeout(DEADLINE),
        Ok(Err(PublishError::Gone))
    );
    assert_eq!(handle.counters().err(), Some(Gone));
}

#[test]
fn the_queue_is_bounded_in_messages_and_in_bytes_and_takes_the_largest_message() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    inbox.set_message_bytes_max(2 * MESSAGES_BYTES_MAX);
    let send = |bytes| handle.try_publish("topic", MessageKind::Binary, vec![0; bytes]);
    assert_eq!(send(2 * MESSAGES_BYTES_MAX), Ok(()));
    assert_eq!(send(0), Err(PublishError::QueueFull));
    assert!(inbox.next().is_some());
    assert_eq!(send(MESSAGES_BYTES_MAX - 1), Ok(()));
    assert_eq!(send(2), Err(PublishError::QueueFull));
    assert_eq!(send(1), Ok(()));
    while inbox.next().is_some() {}
    let taken = (0..).take_while(|_| send(1).is_ok()).count();
    assert_eq!(taken, MESSAGES_MAX);
}

#[test]
fn what_no_client_could_send_is_refused() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    let check = |topic, kind, payload: &[u8]| handle.try_publish(topic, kind, payload);
    inbox.set_message_bytes_max(3);
    let too_large = Err(PublishError::TooLarge { bytes_max: 3 });
    assert_eq!(check("topic", MessageKind::Binary, b"1234"), too_large);
    assert_eq!(check("topic", MessageKind::Binary, b"\xff\xfe"), Ok(()));
    let not_text = Err(PublishError::NotText);
    assert_eq!(check("topic", MessageKind::Text, b"\xff\xfe"), not_text);
    for topic in ["", "a/b", "a\nb", &"x".repeat(129)] {
        let refused = check(topic, MessageKind::Text, b"");
        assert!(matches!(refused, Err(PublishError::Topic(_))), "{topic}");
    }
}

#[test]
fn the_loop_is_woken_by_the_first_message() {
    let (mut poll, inbox) = inbox();
    let handle = inbox.handle();
    for _ in 0..2 {
        publish(&handle).unwrap();
        publish(&handle).unwrap();
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty());
        while inbox.next().is_some() {}
    }
}

#[test]
fn a_turn_publishes_so_many_bytes_and_the_next_one_goes_on() {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut server = Server::bind(&config).unwrap();
    let handle = server.handle();
    let part = vec![0; Shares::TURN_BYTES_MAX / 4];
    let publish = || handle.try_publish("topic", MessageKind::Binary, &part);
    assert_eq!((0..).take_while(|_| publish().is_ok()).count(), 16);
    for left in [12, 8, 4, 0] {
        server.obey(Tick(0));
        assert_eq!(server.inbox.mailbox.lock().messages.len(), left);
        assert!(
            server.inbox.has_work(&server.relay),
            "nobody would wake the loop"
        );
    }
    server.obey(Tick(0));
    assert!(!server.inbox.has_work(&server.relay));
}

#[test]
fn a_receipt_is_settled_by_the_loop_or_by_its_end() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    let running = inbox.start().unwrap();
    let wait = || {
        let receipt = handle.publish("topic", MessageKind::Text, "x").unwrap();
        elsewhere(|| receipt.wait())
    };
    let (settled, put_back, unseen) = (wait(), wait(), wait());
    let mail = inbox.next().unwrap();
    mail.receipt.as_ref().unwrap().settle(None);
    drop(mail);
    assert_eq!(settled.recv_timeout(DEADLINE), Ok(Ok(None)));
    let mail = inbox.next().unwrap();
    inbox.put_back(mail);
    drop(running);
    for lost in [put_back, unseen] {
        assert_eq!(lost.recv_timeout(DEADLINE), Ok(Err(ReceiptError::Gone)));
    }
}

/// Who waits for a receipt held what the end needed, and the other way round.
#[test]
fn a_receipt_and_the_end_do_not_wait_for_each_other() {
    for _ in 0..2000 {
        let (_poll, inbox) = inbox();
        let handle = inbox.handle();
        let running = inbox.start().unwrap();
        let receipts: Vec<_> = (0..8)
            .map(|_| handle.publish("topic", MessageKind::Text, "x").unwrap())
            .collect();
        let waits = elsewhere(|| {
            receipts
                .into_iter()
                .map(Receipt::wait)
                .all(|it| it.is_err())
        });
        let ends = elsewhere(move || drop(running));
        assert_eq!(waits.recv_timeout(DEADLINE), Ok(true));
        assert_eq!(ends.recv_timeout(DEADLINE), Ok(()));
    }
}
