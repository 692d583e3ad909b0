//! Load shedding: under load SMS are dropped first, and orders are not affected.

use crate::support::{
    get_order,
    kitchen::{kitchen, order_nearby, place_order, step},
    notifications::{
        abandoned_claim, accepted_messages, kitchen_of_nhn_cloud, kitchen_with_notifier, messages,
        notification_result, notifications, prefers,
    },
    pass_time,
};
use edge::Signal;
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use std::time::Duration;

/// The number of text messages that were shed.
fn shed(log: &crate::support::log::Log) -> usize {
    log.signals().into_iter().filter(|signal| *signal == Signal::SmsShed).count()
}

#[tokio::test]
async fn sms_are_shed_and_alimtalk_continues_when_messages_have_waited_too_long() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let world = kitchen().await;
    world.enable("notify-customer", false);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    pass_time(&world, Duration::from_mins(6)).await;
    // This event is new, but it waits behind the other one.
    let behind = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    world.enable("notify-customer", true);
    world.settle().await;
    for id in [&id, &behind] {
        assert_eq!(
            notifications(&world, id).await,
            [
                notification_result("PAID", "KAKAO", "SENT"),
                notification_result("PAID", "SMS", "SHED")
            ]
        );
    }
    let messages = messages(&world);
    assert_eq!(messages.len(), 2);
    for message in &messages {
        assert_eq!(
            (&message["type"], &message["kakaoOptions"]["disableSms"]),
            (&json!("ATA"), &json!(true))
        );
    }
    assert_eq!(shed(&log), 2);
    // Once the backlog is processed, SMS are sent again.
    step(&world, &id, "accept").await;
    world.settle().await;
    assert!(
        notifications(&world, &id)
            .await
            .contains(&notification_result("ACCEPTED", "KAKAO", "SENT"))
    );
    assert_eq!(shed(&log), 2);
}

#[tokio::test]
async fn an_sms_without_alimtalk_is_shed_too_even_where_kakaotalk_does_not_reach() {
    for kakao in [false, true] {
        let world = kitchen().await;
        prefers(&world, kakao, true).await;
        world.partner("solapi").be(Mode::Decline);
        world.enable("notify-customer", false);
        let id = place_order(&world, &[("gimbap", 1)]).await;
        pass_time(&world, Duration::from_mins(6)).await;
        world.enable("notify-customer", true);
        world.settle().await;
        assert!(
            notifications(&world, &id).await.contains(&notification_result("PAID", "SMS", "SHED"))
        );
        assert!(
            messages(&world).iter().all(|message| message["type"] == json!("ATA")),
            "no SMS is sent"
        );
        assert_eq!(
            (messages(&world).len(), world.messages("NotifyCustomerQueue").len()),
            (usize::from(kakao), 0)
        );
    }
}

#[tokio::test]
async fn a_claimed_sms_is_shed_only_after_its_claim_expires() {
    let world = kitchen().await;
    prefers(&world, false, true).await;
    world.enable("notify-customer", false);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    pass_time(&world, Duration::from_mins(6)).await;
    abandoned_claim(&world, &id, "SMS").await;
    world.enable("notify-customer", true);
    world.settle().await;
    assert_eq!(notifications(&world, &id).await, [notification_result("PAID", "SMS", "SENDING")]);
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 1);
    for _ in 0..3 {
        pass_time(&world, Duration::from_secs(20)).await;
    }
    assert_eq!(
        (messages(&world).len(), notifications(&world, &id).await),
        (0, vec![notification_result("PAID", "SMS", "SHED")])
    );
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
}

#[tokio::test]
async fn a_shed_sms_is_shown_despite_any_fault_in_any_call() {
    for nth in 1..=8 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            for count in [1, 5] {
                let world = kitchen_of_nhn_cloud().await;
                world.enable("notify-customer", false);
                let id = place_order(&world, &[("gimbap", 1)]).await;
                pass_time(&world, Duration::from_mins(6)).await;
                let rule = Rule {
                    service: Some("dynamodb".into()),
                    operation: None,
                    kind,
                    every: nth,
                    count: Some(count),
                };
                world.inject([rule]);
                world.enable("notify-customer", true);
                world.settle().await;
                world.inject([]);
                for _ in 0..4 {
                    pass_time(&world, Duration::from_secs(40)).await;
                }
                let expected = [
                    notification_result("PAID", "KAKAO", "SENT"),
                    notification_result("PAID", "SMS", "SHED"),
                ];
                assert_eq!(
                    notifications(&world, &id).await,
                    expected,
                    "{kind:?} at {nth}, {count} times"
                );
                assert_eq!(
                    accepted_messages(&world, "nhn-cloud"),
                    [(format!("{id}-1-KAKAO"), "ATA".into())]
                );
            }
        }
    }
}

#[tokio::test]
async fn an_error_in_the_body_of_nhn_cloud_opens_the_circuit_and_a_wrong_key_does_not() {
    for (key, behaviour, opens) in [
        (None, Behaviour { mode: Mode::Error, status: Some(200), ..Behaviour::default() }, true),
        (Some("wrong"), Behaviour::default(), false),
    ] {
        let log = crate::support::log::Log::default();
        let _listening = log.listen();
        let world =
            kitchen_with_notifier("NHN_CLOUD", key.map(|key| ("NhnCloudAlimtalkSecretKey", key)))
                .await;
        world.partner("nhn-cloud").behave(behaviour);
        for _ in 0..6 {
            place_order(&world, &[("gimbap", 1)]).await;
            world.settle().await;
        }
        assert_eq!(log.lines().contains("a circuit opens"), opens);
        assert_eq!(
            (accepted_messages(&world, "nhn-cloud"), world.messages("NotifyCustomerQueue").len()),
            (vec![], 6)
        );
        assert!(!log.signals().contains(&Signal::CustomerNotNotified));
        for _ in 0..16 {
            pass_time(&world, Duration::from_mins(1)).await;
        }
        assert!(log.signals().contains(&Signal::CustomerNotNotified));
    }
}

/// A kitchen whose notifier is down and has failed so often that its circuit is open. Returns the
/// world and the orders.
async fn broken(log: &crate::support::log::Log) -> (World, Vec<String>) {
    let world = kitchen().await;
    world.partner("solapi").be(Mode::Down);
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(place_order(&world, &[("gimbap", 1)]).await);
        world.settle().await;
    }
    assert!(log.lines().contains("a circuit opens"));
    (world, ids)
}

#[tokio::test]
async fn while_the_circuit_is_open_sms_are_shed_and_alimtalk_waits_until_it_closes() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let (world, mut ids) = broken(&log).await;
    let calls = messages(&world).len();
    let meanwhile = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!(messages(&world).len(), calls, "an open circuit permits no call");
    assert_eq!(
        notifications(&world, &meanwhile).await,
        [notification_result("PAID", "SMS", "SHED")]
    );
    prefers(&world, false, true).await;
    let by_sms = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!(notifications(&world, &by_sms).await, [notification_result("PAID", "SMS", "SHED")]);
    let waiting = world.messages("NotifyCustomerQueue").len();
    assert_eq!(waiting, 7, "Alimtalk waits, SMS do not");
    prefers(&world, true, true).await;
    world.partner("solapi").be(Mode::Ok);
    world.partner("solapi").forget();
    for _ in 0..6 {
        pass_time(&world, Duration::from_secs(40)).await;
    }
    ids.push(meanwhile.clone());
    for id in &ids {
        assert!(
            notifications(&world, id).await.contains(&notification_result("PAID", "KAKAO", "SENT"))
        );
    }
    let late: Vec<Value> = messages(&world);
    let of_meanwhile =
        late.iter().find(|message| message["text"].as_str().unwrap().contains(&meanwhile)).unwrap();
    assert_eq!(
        of_meanwhile["kakaoOptions"]["disableSms"],
        json!(true),
        "a shed SMS is not sent later"
    );
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
    assert_eq!(notifications(&world, &by_sms).await, [notification_result("PAID", "SMS", "SHED")]);
}

#[tokio::test]
async fn orders_are_not_affected_while_the_notifier_is_down() {
    let world = kitchen().await;
    let mut wanted = order_nearby(&[("gimbap", 1)]);
    wanted["items"][0]["expectedPrice"] = json!(4_000);
    world.customer("c1").post("/order", &wanted).await;
    let mut calls = Vec::new();
    for mode in [Mode::Ok, Mode::Down] {
        world.partner("solapi").be(mode);
        for _ in 0..8 {
            world.take_calls();
            let placed = world.customer("c1").post("/order", &wanted).await;
            calls.push(world.take_calls().len());
            let id = crate::support::text(&placed.json(), "orderId");
            assert_eq!(step(&world, &id, "accept").await.status, 200);
            world.settle().await;
            assert_eq!(get_order(&world, &id).await["status"], json!("ACCEPTED"));
        }
    }
    assert_eq!(calls, [1; 16], "one call, whether or not the notifier is available");
}
