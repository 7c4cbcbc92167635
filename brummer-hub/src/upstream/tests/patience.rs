//! How long a call is waited for, on a clock of its own.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::upstream::wire::{Call, Impatience, Patience, Wire};

const LIMIT: Duration = Duration::from_secs(60);

fn wire() -> Wire {
    let mut wire = super::wire(mpsc::channel(1).0);
    wire.limits.call_timeout = LIMIT;
    wire
}

#[tokio::test(start_paused = true)]
async fn progress_begins_the_time_out_anew() {
    let (wire, call) = (wire(), Call::new(1));
    let begun = Instant::now();
    let sleep_to_end = pin!(sleep(LIMIT));
    let mut patience = Patience::new(&wire, &call, sleep_to_end, false);
    for _ in 0..3 {
        assert!(patience.wait(sleep(LIMIT / 2)).await.is_ok());
        patience.renew();
    }
    assert!(matches!(patience.wait(pending::<()>()).await, Err(Impatience::TimedOut)));
    assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs() * 5 / 2);
}

#[tokio::test(start_paused = true)]
async fn the_shared_stream_is_a_sign_of_life_where_it_carries_the_answers() {
    let wire = wire();
    for (shares_stream, seconds) in [(false, 60), (true, 100)] {
        let begun = Instant::now();
        let call = Call::new(1);
        let sleep_to_end = pin!(sleep(LIMIT));
        let mut patience = Patience::new(&wire, &call, sleep_to_end, shares_stream);
        let heard = async {
            sleep(Duration::from_secs(40)).await;
            let _ = wire
                .deliver_standing(&bytes::Bytes::from(r#"{"jsonrpc":"2.0","id":1,"result":1}"#).into())
                .await;
        };
        let (end, ()) = tokio::join!(patience.wait_elsewhere(), heard);
        assert!(matches!(end, Impatience::TimedOut));
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_listened_to_for_a_little_while_only() {
    let (wire, call) = (Arc::new(wire()), Call::new(1));
    let (theirs, patient) = (Arc::clone(&wire), Arc::clone(&call));
    let waiting = tokio::spawn(async move {
        let sleep_to_end = pin!(sleep(LIMIT));
        let mut patience = Patience::new(&theirs, &patient, sleep_to_end, false);
        patience.wait(pending::<()>()).await
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    assert!(call.cancel() && !call.cancel() && !call.settle());
    assert!(matches!(waiting.await.unwrap(), Err(Impatience::Over)));
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_answered_elsewhere_is_over() {
    let (wire, call) = (wire(), Call::new(1));
    let sleep_to_end = pin!(sleep(LIMIT));
    let mut patience = Patience::new(&wire, &call, sleep_to_end, true);
    let answered = async {
        sleep(Duration::from_secs(1)).await;
        assert!(call.settle() && !call.settle() && !call.cancel());
        call.wake();
    };
    let (end, ()) = tokio::join!(patience.wait_elsewhere(), answered);
    assert!(matches!(end, Impatience::Over));
}
