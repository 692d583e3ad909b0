//! Customers are notified of each step of their orders: by Alimtalk, or by SMS where Alimtalk does
//! not reach them.

use crate::support::{
    kitchen::{add_store, advance_to, kitchen, place_order, step},
    notifications::{
        abandoned_claim, accepted_messages, kitchen_of_nhn_cloud, messages, notification_result,
        notifications, prefers, received,
    },
    order, pass_time, sqs_event, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn each_step_is_notified_by_alimtalk_with_the_approved_text() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 2)]).await;
    advance_to(&world, &id, "COMPLETED").await;
    world.settle().await;
    let messages = messages(&world);
    let mut templates: Vec<_> =
        messages.iter().map(|message| text(&message["kakaoOptions"], "templateId")).collect();
    let mut expected = [
        "order-paid",
        "order-accepted",
        "order-cooking",
        "order-cooked",
        "order-picked-up",
        "order-completed",
    ];
    templates.sort_unstable();
    expected.sort_unstable();
    assert_eq!(templates, expected);
    let paid = messages
        .iter()
        .find(|message| message["kakaoOptions"]["templateId"] == json!("order-paid"))
        .unwrap();
    let expected = json!({
        "to": "01012345678", "from": "0212345678",
        "text": format!("[주문] 주문이 접수되었습니다. 결제금액 8,000원, 주문번호 {id}"),
        "customFields": { "id": format!("{id}-1-KAKAO") }, "type": "ATA",
        "kakaoOptions": {
            "pfId": "KA01PFLOCAL", "templateId": "order-paid", "variables": { "#{금액}": "8,000", "#{주문번호}": id },
            "disableSms": false,
        },
    });
    assert_eq!(*paid, expected);
    let requests = received(&world, "solapi");
    assert!(
        requests.iter().all(|request| request.status == 200),
        "Solapi accepts the signatures: {requests:?}"
    );
}

#[tokio::test]
async fn nhn_cloud_receives_requests_in_its_own_format() {
    let world = kitchen_of_nhn_cloud().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    prefers(&world, false, true).await;
    step(&world, &id, "reject").await;
    world.partner("nhn-cloud").forget();
    world.settle().await;
    let sms = &received(&world, "nhn-cloud")[..];
    let [_, rejected] = sms else { panic!("expected one request for each step: {sms:?}") };
    assert!(
        rejected.path.starts_with("/sms/v3.0/appKeys/") && rejected.status == 200,
        "{rejected:?}"
    );
    assert_eq!(received(&world, "solapi").len(), 0);
    prefers(&world, true, true).await;
    world.partner("nhn-cloud").forget();
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    let [alimtalk] = &received(&world, "nhn-cloud")[..] else { panic!("expected one request") };
    assert!(alimtalk.path.starts_with("/alimtalk/v2.2/appkeys/"), "{alimtalk:?}");
    assert_eq!(alimtalk.headers["x-nc-api-idempotency-key"], format!("{id}-1-KAKAO"));
    let body: Value = serde_json::from_str(&alimtalk.body).unwrap();
    let recipient = &body["recipientList"][0];
    assert_eq!(
        (&body["templateCode"], &recipient["recipientNo"]),
        (&json!("order-paid"), &json!("01098765432"))
    );
    assert_eq!(recipient["templateParameter"], json!({ "금액": "4,000", "주문번호": id }));
    assert_eq!(
        (&recipient["resendParameter"]["isResend"], &recipient["resendParameter"]["resendType"]),
        (&json!(true), &json!("SMS"))
    );
    assert_eq!(notifications(&world, &id).await, [notification_result("PAID", "KAKAO", "SENT")]);
}

#[tokio::test]
async fn a_customer_whom_kakaotalk_does_not_reach_gets_an_sms() {
    for world in [kitchen().await, kitchen_of_nhn_cloud().await] {
        for notifier in ["solapi", "nhn-cloud"] {
            world.partner(notifier).be(Mode::Decline);
        }
        let id = place_order(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        let expected = [
            notification_result("PAID", "KAKAO", "FAILED"),
            notification_result("PAID", "SMS", "SENT"),
        ];
        assert_eq!(notifications(&world, &id).await, expected);
        let accepted = || {
            [accepted_messages(&world, "solapi"), accepted_messages(&world, "nhn-cloud")].concat()
        };
        assert_eq!(accepted(), [(format!("{id}-1-SMS"), "SMS".into())]);
        pass_time(&world, Duration::from_mins(10)).await;
        assert_eq!(accepted().len(), 1, "nothing is sent again");
    }
}

#[tokio::test]
async fn notifications_follow_the_customers_preferences() {
    for (kakao, sms, declined, expected) in [
        (true, true, false, vec![("KAKAO", "SENT", false)]),
        (true, false, false, vec![("KAKAO", "SENT", true)]),
        (true, false, true, vec![("KAKAO", "FAILED", true)]),
        (false, true, false, vec![("SMS", "SENT", false)]),
        (false, false, false, vec![]),
    ] {
        let world = kitchen().await;
        world.partner("solapi").be(if declined { Mode::Decline } else { Mode::Ok });
        prefers(&world, kakao, sms).await;
        let id = place_order(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        let outcomes: Vec<_> = expected
            .iter()
            .map(|(channel, outcome, _)| notification_result("PAID", channel, outcome))
            .collect();
        assert_eq!(notifications(&world, &id).await, outcomes, "{kakao} {sms} {declined}");
        let messages = messages(&world);
        assert_eq!(messages.len(), expected.len());
        for (message, (channel, _, disables_sms)) in messages.iter().zip(&expected) {
            assert_eq!(
                message["to"],
                json!("01098765432"),
                "the customer's own number takes precedence over the delivery's"
            );
            if *channel == "KAKAO" {
                assert_eq!(message["kakaoOptions"]["disableSms"], json!(disables_sms));
            }
        }
    }
}

#[tokio::test]
async fn a_customer_without_a_phone_number_is_not_notified_and_no_message_waits() {
    let world = kitchen().await;
    assert_eq!(
        world.customer("c1").put("/customers/c1", &json!({ "name": "Minji" })).await.status,
        200
    );
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await.json();
    let id = text(&placed, "orderId");
    step(&world, &id, "ship").await;
    world.settle().await;
    assert_eq!((notifications(&world, &id).await, messages(&world).len()), (vec![], 0));
    assert_eq!(
        world.messages("NotifyCustomerQueue").len()
            + world.messages("NotifyCustomerDeadLetters").len(),
        0
    );
    // Once the profile has a number, the next step is notified.
    prefers(&world, true, true).await;
    step(&world, &id, "confirm-delivery").await;
    world.settle().await;
    assert_eq!(
        notifications(&world, &id).await,
        [notification_result("COMPLETED", "KAKAO", "SENT")]
    );
}

/// Places an order. Returns its id and its event, which waits in the queue of `notify-customer`.
async fn event(world: &World) -> (String, String) {
    world.enable("notify-customer", false);
    let id = place_order(world, &[("gimbap", 1)]).await;
    world.settle().await;
    let [event] = &world.messages("NotifyCustomerQueue")[..] else { panic!("expected one event") };
    world.enable("notify-customer", true);
    (id, event.clone())
}

#[tokio::test]
async fn a_repeated_event_notifies_once() {
    let world = kitchen().await;
    let (id, event) = event(&world).await;
    for _ in 0..3 {
        world
            .invoke("notify-customer", sqs_event(&world, &[&event, &event, &event]))
            .await
            .unwrap();
        world.settle().await;
        assert_eq!(messages(&world).len(), 1);
        world.advance(Duration::from_mins(1));
    }
    world.settle().await;
    assert_eq!(
        (messages(&world).len(), notifications(&world, &id).await),
        (1, vec![notification_result("PAID", "KAKAO", "SENT")])
    );
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
}

#[tokio::test]
async fn a_notification_with_an_abandoned_claim_is_sent_half_a_minute_later() {
    let world = kitchen().await;
    world.enable("notify-customer", false);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    abandoned_claim(&world, &id, "KAKAO").await;
    world.enable("notify-customer", true);
    pass_time(&world, Duration::from_secs(20)).await;
    assert_eq!(
        (messages(&world).len(), notifications(&world, &id).await),
        (0, vec![notification_result("PAID", "KAKAO", "SENDING")])
    );
    for _ in 0..2 {
        pass_time(&world, Duration::from_secs(20)).await;
    }
    assert_eq!(
        (messages(&world).len(), notifications(&world, &id).await),
        (1, vec![notification_result("PAID", "KAKAO", "SENT")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_invocations_notify_once() {
    let world = std::sync::Arc::new(World::with(World::options()).await);
    add_store(&world).await;
    world.partner("solapi").behave(Behaviour {
        mode: Mode::Slow,
        delay_ms: Some(50),
        ..Behaviour::default()
    });
    let (id, event) = event(&world).await;
    let invocations = (0..8).map(|_| {
        let (world, event) = (world.clone(), event.clone());
        tokio::spawn(async move {
            world.invoke("notify-customer", sqs_event(&world, &[&event])).await.unwrap()
        })
    });
    futures::future::try_join_all(invocations).await.unwrap();
    world.settle().await;
    assert_eq!(
        (messages(&world).len(), notifications(&world, &id).await),
        (1, vec![notification_result("PAID", "KAKAO", "SENT")])
    );
}

#[tokio::test]
async fn a_notification_is_retried_until_the_notifier_accepts_it() {
    for mode in [Mode::Error, Mode::Down, Mode::Slow] {
        for world in [kitchen().await, kitchen_of_nhn_cloud().await] {
            for notifier in ["solapi", "nhn-cloud"] {
                world.partner(notifier).be(mode);
            }
            let id = place_order(&world, &[("gimbap", 1)]).await;
            pass_time(&world, Duration::from_secs(30)).await;
            assert!(
                !notifications(&world, &id)
                    .await
                    .contains(&notification_result("PAID", "KAKAO", "SENT")),
                "{mode:?}"
            );
            for notifier in ["solapi", "nhn-cloud"] {
                world.partner(notifier).be(Mode::Ok);
            }
            for _ in 0..3 {
                pass_time(&world, Duration::from_secs(40)).await;
            }
            assert!(
                notifications(&world, &id)
                    .await
                    .contains(&notification_result("PAID", "KAKAO", "SENT")),
                "{mode:?}"
            );
            assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
        }
    }
}

#[tokio::test]
async fn errors_of_our_account_are_retried_and_errors_of_the_message_are_final() {
    for status in [401, 402, 403, 404, 429] {
        let world = kitchen().await;
        let partner = world.partner("solapi");
        partner.behave(Behaviour {
            mode: Mode::Error,
            status: Some(status),
            ..Behaviour::default()
        });
        let id = place_order(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        assert_eq!(
            (notifications(&world, &id).await, world.messages("NotifyCustomerQueue").len()),
            (vec![], 1),
            "{status}"
        );
        partner.be(Mode::Ok);
        pass_time(&world, Duration::from_secs(10)).await;
        assert_eq!(
            notifications(&world, &id).await,
            [notification_result("PAID", "KAKAO", "SENT")],
            "{status}"
        );
    }
    // An error of the message itself is final.
    let world = kitchen().await;
    world.partner("solapi").behave(Behaviour {
        mode: Mode::Error,
        status: Some(400),
        ..Behaviour::default()
    });
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    let failed = [
        notification_result("PAID", "KAKAO", "FAILED"),
        notification_result("PAID", "SMS", "FAILED"),
    ];
    assert_eq!(
        (notifications(&world, &id).await, world.messages("NotifyCustomerQueue").len()),
        (failed.into(), 0)
    );
}

#[tokio::test]
async fn nhn_cloud_deduplicates_a_message_whose_response_was_lost() {
    let world = kitchen_of_nhn_cloud().await;
    world.partner("nhn-cloud").be(Mode::Lost);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    world.partner("nhn-cloud").be(Mode::Ok);
    pass_time(&world, Duration::from_secs(40)).await;
    assert_eq!(received(&world, "nhn-cloud").len(), 2, "the message is sent twice");
    assert_eq!(
        accepted_messages(&world, "nhn-cloud"),
        [(format!("{id}-1-KAKAO"), "ATA".into())],
        "the message is accepted once"
    );
    assert_eq!(notifications(&world, &id).await, [notification_result("PAID", "KAKAO", "SENT")]);
}

#[tokio::test]
async fn a_customer_is_notified_once_despite_any_fault_in_any_call() {
    for nth in 1..=8 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            for count in [1, 5] {
                let world = kitchen_of_nhn_cloud().await;
                let (id, event) = event(&world).await;
                let rule = Rule {
                    service: Some("dynamodb".into()),
                    operation: None,
                    kind,
                    every: nth,
                    count: Some(count),
                };
                world.inject([rule]);
                world.invoke("notify-customer", sqs_event(&world, &[&event])).await.unwrap();
                world.inject([]);
                for _ in 0..4 {
                    pass_time(&world, Duration::from_secs(40)).await;
                }
                let context = format!("{kind:?} at {nth}, {count} times");
                assert_eq!(
                    notifications(&world, &id).await,
                    [notification_result("PAID", "KAKAO", "SENT")],
                    "{context}"
                );
                assert_eq!(
                    accepted_messages(&world, "nhn-cloud"),
                    [(format!("{id}-1-KAKAO"), "ATA".into())],
                    "{context}"
                );
            }
        }
    }
}
