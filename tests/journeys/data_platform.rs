//! The data platform: what it receives, and what happens while it is unavailable.

use crate::support::{assert_books_are_clean, order, shop};
use local::{
    World,
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::time::Duration;

async fn place(world: &World) -> Value {
    let placed = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    assert_eq!(placed.status, 200);
    placed.json()
}

fn response_statuses(world: &World) -> Vec<u16> {
    world.partner("data-platform").requests().iter().map(|request| request.status).collect()
}

fn queued(world: &World, queue: &str) -> usize {
    world.messages(queue).len()
}

#[tokio::test]
async fn a_paid_order_is_sent_as_a_cloud_event_signed_as_a_standard_webhook() {
    let world = shop().await;
    let placed = place(&world).await;
    world.settle().await;
    let partner = world.partner("data-platform");
    let [request] = &partner.requests()[..] else { panic!("one order, one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/order/statistics"));
    let event_id = format!("{}#1", placed["orderId"].as_str().unwrap());
    let envelope = json!({
        "specversion": "1.0", "id": event_id, "source": "/orders", "type": "order.paid.v1", "time": placed["placedAt"],
        "subject": placed["orderId"], "datacontenttype": "application/json", "timestamp": placed["placedAt"], "data": placed,
    });
    assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), envelope);
    assert_eq!(request.headers["content-type"], "application/cloudevents+json");
    assert_eq!(request.headers["webhook-id"], event_id);
    // The world's clock is held in the past, where the published verifier would refuse the
    // timestamp: the published crate only computes the expected signature.
    let at: i64 = request.headers["webhook-timestamp"].parse().unwrap();
    assert!((world.now().seconds() - at).abs() < 60);
    let expected = Webhook::new(&partner.secret)
        .unwrap()
        .sign(&event_id, at, request.body.as_bytes())
        .unwrap();
    assert_eq!(request.headers["webhook-signature"], expected);
}

#[tokio::test]
async fn orders_continue_while_the_data_platform_is_down_and_every_event_arrives_later() {
    for mode in [Mode::Down, Mode::Error] {
        let world = shop().await;
        world.partner("data-platform").be(mode);
        for _ in 0..3 {
            place(&world).await;
            world.settle().await;
        }
        assert!(response_statuses(&world).iter().all(|status| *status != 200));
        assert_eq!(queued(&world, "DataPlatformQueue"), 3);
        // A day of retries (100 × 15 minutes) dead-letters nothing.
        for _ in 0..100 {
            world.advance(Duration::from_mins(15));
            world.settle().await;
        }
        assert_eq!(
            (queued(&world, "DataPlatformQueue"), queued(&world, "DataPlatformDeadLetters")),
            (3, 0)
        );
        world.partner("data-platform").be(Mode::Ok);
        world.partner("data-platform").forget();
        world.advance(Duration::from_mins(15));
        world.settle().await;
        assert_eq!(response_statuses(&world), [200, 200, 200], "{mode:?}");
        assert_eq!(queued(&world, "DataPlatformQueue"), 0);
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_permanent_refusal_dead_letters_the_message_at_once_and_it_can_be_redriven() {
    for status in [400, 401, 404, 410, 422] {
        let world = shop().await;
        let partner = world.partner("data-platform");
        partner.behave(Behaviour {
            mode: Mode::Decline,
            status: Some(status),
            ..Behaviour::default()
        });
        place(&world).await;
        world.settle().await;
        assert_eq!(response_statuses(&world), [status]);
        assert_eq!(
            (queued(&world, "DataPlatformQueue"), queued(&world, "DataPlatformDeadLetters")),
            (0, 1)
        );
        partner.be(Mode::Ok);
        assert_eq!(world.redrive("DataPlatformQueue"), Some(1));
        world.settle().await;
        assert_eq!(response_statuses(&world), [status, 200]);
        assert_eq!(queued(&world, "DataPlatformDeadLetters"), 0);
    }
}

#[tokio::test]
async fn a_transient_failure_leaves_the_message_in_the_queue() {
    for status in [408, 429, 500, 502, 503, 302] {
        let world = shop().await;
        let partner = world.partner("data-platform");
        partner.behave(Behaviour {
            mode: Mode::Error,
            status: Some(status),
            ..Behaviour::default()
        });
        place(&world).await;
        world.settle().await;
        assert_eq!(
            (queued(&world, "DataPlatformQueue"), queued(&world, "DataPlatformDeadLetters")),
            (1, 0),
            "{status}"
        );
        partner.be(Mode::Ok);
        world.advance(Duration::from_mins(1));
        world.settle().await;
        assert_eq!(response_statuses(&world).last(), Some(&200));
    }
}

#[tokio::test]
async fn only_the_failed_messages_of_a_batch_are_retried() {
    let world = shop().await;
    for _ in 0..6 {
        place(&world).await;
    }
    world.partner("data-platform").behave(Behaviour {
        mode: Mode::Error,
        share: Some(0.5),
        ..Behaviour::default()
    });
    world.settle().await;
    assert_eq!(queued(&world, "DataPlatformQueue"), 3);
    world.partner("data-platform").be(Mode::Ok);
    world.advance(Duration::from_mins(1));
    world.settle().await;
    let ok = response_statuses(&world).into_iter().filter(|status| *status == 200).count();
    assert_eq!((ok, response_statuses(&world).len()), (6, 9));
}

#[tokio::test]
async fn a_wrong_secret_dead_letters_the_message_and_nothing_is_lost() {
    let parameters = [("DataPlatformSecret".to_owned(), format!("whsec_{}", "A".repeat(32)))];
    let world =
        World::with(local::Options { parameters: parameters.into(), ..World::options() }).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 1_000).await;
    place(&world).await;
    world.settle().await;
    assert_eq!(response_statuses(&world), [401]);
    assert_eq!(queued(&world, "DataPlatformDeadLetters"), 1);
}
