use super::super::Server;
use super::super::backlog::Volume;
use super::super::errors::{Gone, PublishError, ReceiptError};
use super::super::mailbox::{HOOKS_MAX, THREADS_MAX};
use super::super::receipt::Receipt;
use super::*;
use crate::config::Config;
use crate::proto::MessageKind;
use crate::relay::{Committed, Offer};
use crate::wheel::Tick;
use mio::{Events, Poll, Token};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

fn inbox() -> (Poll, Inbox) {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    (poll, Inbox::new(waker, 1 << 20))
}

/// Runs this on a thread that is not the loop's; the receiver gets the result.
fn elsewhere<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, outcome) = channel();
    thread::spawn(move || done.send(act()));
    outcome
}

fn publish(handle: &Handle) -> Result<(), PublishError> {
    handle.publish("topic", MessageKind::Text, "x").map(drop)
}

/// Waits until this many threads wait for space.
fn await_waiting(inbox: &Inbox, threads: usize) {
    let poll = |_: usize| {
        thread::yield_now();
        inbox.mailbox.waiting() == threads
    };
    assert!((0..usize::MAX).any(poll));
}

fn fill(handle: &Handle) {
    while handle.try_publish("topic", MessageKind::Text, "x").is_ok() {}
}

/// A turn in which a message is taken if `offer` says so.
fn turn(inbox: &mut Inbox, offer: impl FnMut(&mut Mail) -> bool) {
    inbox.mailbox.collect(&mut inbox.backlogs);
    inbox.publish(offer);
}

#[test]
fn the_loops_own_thread_never_waits() {
    let (_poll, inbox) = inbox();
    let handle = inbox.handle();
    fill(&handle);
    assert_eq!(publish(&handle), Err(PublishError::QueueFull));
    assert!(handle.counters().is_ok());
    inbox.start().unwrap();
    fill(&handle);
    assert_eq!(publish(&handle), Err(PublishError::QueueFull));
    assert!(handle.counters().is_ok());
}

#[test]
fn threads_that_wait_go_on_when_there_is_space() {
    let (_poll, mut inbox) = inbox();
    let handle = inbox.handle();
    fill(&handle);
    inbox.start().unwrap();
    let published = elsewhere(move || publish(&handle));
    await_waiting(&inbox, 1);
    turn(&mut inbox, |_| true);
    assert_eq!(published.recv_timeout(DEADLINE), Ok(Ok(())));
}

#[test]
fn threads_that_wait_are_told_that_the_loop_has_ended() {
    let (_poll, mut inbox) = inbox();
    let handle = inbox.handle();
    fill(&handle);
    inbox.start().unwrap();
    let publisher = handle.clone();
    let published = elsewhere(move || publish(&publisher));
    let reader = handle.clone();
    let counted = elsewhere(move || reader.counters().map(|_| ()));
    await_waiting(&inbox, 1);
    inbox.end();
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

/// An inbox that takes this thread's messages as a thread's before the loop runs, and as a hook's
/// afterwards.
fn inbox_for(max: Volume) -> (Poll, Inbox) {
    let (poll, inbox) = inbox();
    if max == HOOKS_MAX {
        inbox.start().unwrap();
    }
    (poll, inbox)
}

#[test]
fn a_queue_is_bounded_in_messages_and_in_bytes_and_takes_the_largest_message() {
    for max in [THREADS_MAX, HOOKS_MAX] {
        let (_poll, mut inbox) = inbox_for(max);
        let handle = inbox.handle();
        inbox.set_message_bytes_max(2 * max.bytes);
        let send = |bytes| handle.try_publish("topic", MessageKind::Binary, vec![0; bytes]);
        assert_eq!(send(2 * max.bytes), Ok(()));
        assert_eq!(send(0), Err(PublishError::QueueFull));
        turn(&mut inbox, |_| true);
        assert_eq!(send(max.bytes - 1), Ok(()));
        assert_eq!(send(2), Err(PublishError::QueueFull));
        assert_eq!(send(1), Ok(()));
        (0..2).for_each(|_| turn(&mut inbox, |_| true));
        let taken = (0..).take_while(|_| send(1).is_ok()).count();
        assert_eq!(taken, max.messages);
    }
}

#[test]
fn what_waits_for_space_is_within_the_bound() {
    for max in [THREADS_MAX, HOOKS_MAX] {
        let (_poll, mut inbox) = inbox_for(max);
        let handle = inbox.handle();
        fill(&handle);
        turn(&mut inbox, |_| false);
        assert_eq!(publish(&handle), Err(PublishError::QueueFull));
        let mut space = 3;
        turn(&mut inbox, |_| {
            space -= 1;
            space >= 0
        });
        let taken = (0..).take_while(|_| publish(&handle).is_ok()).count();
        assert_eq!(taken, 3);
    }
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
    let (mut poll, mut inbox) = inbox();
    let handle = inbox.handle();
    // Waiting messages don't count as the first.
    for has_space in [true, false, true] {
        publish(&handle).unwrap();
        publish(&handle).unwrap();
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty());
        turn(&mut inbox, |_| has_space);
    }
}

#[test]
fn a_turn_publishes_so_many_bytes_and_the_next_one_goes_on() {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut server = Server::bind(&config).unwrap();
    let handle = server.handle();
    let part = vec![0; TURN_BYTES_MAX / 4];
    let publish = || handle.try_publish("topic", MessageKind::Binary, &part);
    let space = || (0..).take_while(|_| publish().is_ok()).count();
    // A thread's messages, and then as many of a hook's.
    assert_eq!(space(), 16);
    server.inbox.start().unwrap();
    assert_eq!(space(), 16);
    for _ in 0..8 {
        assert!(!server.inbox.has_work(&server.relay));
        server.handle_mail(Tick(0));
        assert_eq!(space(), 4);
        server.handle_mail(Tick(0));
        assert!(server.inbox.has_work(&server.relay), "it would sleep");
        (0..4).for_each(|_| server.handle_mail(Tick(0)));
        assert_eq!(space(), 16);
    }
}

/// The messages that a turn publishes if there is space for this many.
fn published(inbox: &mut Inbox, space: usize) -> Vec<String> {
    let mut published = Vec::new();
    turn(inbox, |mail| {
        let has_space = published.len() < space;
        if has_space {
            published.push(String::from_utf8_lossy(&mail.payload).into_owned());
        }
        has_space
    });
    published
}

#[test]
fn hooks_and_threads_take_turns_with_the_space_of_a_topic() {
    let (_poll, mut inbox) = inbox();
    let handle = inbox.handle();
    let publish = |payload: &str| handle.try_publish("topic", MessageKind::Text, payload);
    let both = ["thread 1", "thread 2", "hook 1", "hook 2"];
    both[..2].iter().for_each(|it| publish(it).unwrap());
    inbox.start().unwrap();
    both[2..].iter().for_each(|it| publish(it).unwrap());
    let one_by_one: Vec<_> = (0..4).flat_map(|_| published(&mut inbox, 1)).collect();
    assert_eq!(one_by_one, ["hook 1", "thread 1", "hook 2", "thread 2"]);
    assert!(!inbox.has_backlog());
}

/// Its later messages, in the hooks' queue, don't overtake.
#[test]
fn what_the_loops_thread_published_before_the_loop_ran_comes_first() {
    let (_poll, mut inbox) = inbox();
    let handle = inbox.handle();
    handle.publish("topic", MessageKind::Text, "1").unwrap();
    let bound_here = inbox.mailbox();
    elsewhere(move || bound_here.start())
        .recv_timeout(DEADLINE)
        .unwrap()
        .unwrap();
    handle.publish("topic", MessageKind::Text, "2").unwrap();
    assert_eq!(published(&mut inbox, 1), ["1"]);
    assert_eq!(published(&mut inbox, 1), ["2"]);
}

#[test]
fn a_receipt_is_settled_by_the_loop_or_by_its_end() {
    let (_poll, mut inbox) = inbox();
    let handle = inbox.handle();
    let publish = || {
        handle
            .publish("topic", MessageKind::Text, "x")
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let receipts = [publish(), publish(), publish()];
    inbox.start().unwrap();
    let of_a_hook = publish();
    let [settled, blocked, behind] = receipts.map(|receipt| elsewhere(|| receipt.wait()));
    let mut space = 1;
    inbox.threads_first = true;
    turn(&mut inbox, |mail| {
        space -= 1;
        let has_space = space == 0;
        if has_space {
            mail.receipt.take().unwrap().settle(None);
        }
        has_space
    });
    assert_eq!(settled.recv_timeout(DEADLINE), Ok(Ok(None)));
    let unseen = publish();
    inbox.end();
    for lost in [blocked, behind] {
        assert_eq!(lost.recv_timeout(DEADLINE), Ok(Err(ReceiptError::Gone)));
    }
    for lost in [of_a_hook, unseen] {
        assert_eq!(lost.wait(), Err(ReceiptError::Gone));
    }
}

/// Where an engine orders messages, a receipt follows the commit, and not the offer.
#[test]
fn a_receipt_of_a_message_that_travels_is_settled_when_it_comes_back() {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut server = Server::bind(&config).unwrap();
    server.relay.order_elsewhere();
    server.inbox.start().unwrap();
    let handle = server.handle();
    let publish = || handle.publish("topic", MessageKind::Text, "x").unwrap();
    let early = publish();
    let [committed, lost] = [publish(), publish()].map(|receipt| elsewhere(|| receipt.wait()));
    server.handle_mail(Tick(0));
    server.settle_receipts();
    assert_eq!(early.wait(), Err(ReceiptError::OnLoop), "it is not settled");
    let id = "0000001-7".parse().unwrap();
    server.relay.poll_offer().unwrap();
    let Offer { number, origin, .. } = server.relay.poll_offer().unwrap();
    let message = Offer {
        number,
        topic: "topic",
        kind: MessageKind::Text,
        payload: b"x",
        origin,
    };
    assert_eq!(server.relay.commit(id, &message), Committed::NoMembers);
    server.settle_receipts();
    assert_eq!(committed.recv_timeout(DEADLINE), Ok(Ok(Some(id))));
    server.inbox.end();
    assert_eq!(lost.recv_timeout(DEADLINE), Ok(Err(ReceiptError::Gone)));
}

/// A thread that waited for a receipt held what the end needed, and the other way round.
#[test]
fn a_receipt_and_the_end_do_not_wait_for_each_other() {
    for _ in 0..2000 {
        let (_poll, mut inbox) = inbox();
        let handle = inbox.handle();
        inbox.start().unwrap();
        let receipts: Vec<_> = (0..8)
            .map(|_| handle.publish("topic", MessageKind::Text, "x").unwrap())
            .collect();
        let waits = elsewhere(|| {
            receipts
                .into_iter()
                .map(Receipt::wait)
                .all(|it| it.is_err())
        });
        let ends = elsewhere(move || inbox.end());
        assert_eq!(waits.recv_timeout(DEADLINE), Ok(true));
        assert_eq!(ends.recv_timeout(DEADLINE), Ok(()));
    }
}
