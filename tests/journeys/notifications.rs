//! Customers are told of each step of their orders: by Alimtalk, and where that does not reach them by a text message.

use crate::{
    kitchen::{furnish, kitchen, nearby, ordered, step, walk},
    order, pass, sqs_event, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode, Received},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// A kitchen whose customers are told through this notifier, with another parameter of the template.
pub(crate) async fn kitchen_told_through(notifier: &str, parameter: Option<(&str, &str)>) -> World {
    let clock = local::world::BEGINNING.parse().ok().map(local::Clock::held_at);
    let parameters = [("Notifier", notifier)].into_iter().chain(parameter);
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let world = World::with(local::Options { parameters, clock, ..World::options() }).await;
    furnish(&world).await;
    world
}

/// A kitchen whose customers are told through NHN Cloud.
pub(crate) async fn kitchen_of_nhn_cloud() -> World {
    kitchen_told_through("NHN_CLOUD", None).await
}

/// What a notifier received and answered.
pub(crate) fn received(world: &World, notifier: &str) -> Vec<Received> {
    world.partner(notifier).requests()
}

/// The messages that Solapi received: each request has one.
pub(crate) fn messages(world: &World) -> Vec<Value> {
    let message = |request: &Received| serde_json::from_str::<Value>(&request.body).unwrap()["messages"][0].clone();
    received(world, "solapi").iter().map(message).collect()
}

/// What a notifier took: the ids of messages and their types.
pub(crate) fn taken(world: &World, notifier: &str) -> Vec<(String, String)> {
    let books = world.partner(notifier).books();
    books["messages"].as_array().unwrap().iter().map(|one| (text(one, "id"), text(one, "type"))).collect()
}

/// What a view shows of what the customer was told: status of the order, channel, and what became of it.
pub(crate) async fn told(world: &World, id: &str) -> Vec<(String, String, String)> {
    let view = world.operator().get(&format!("/order-views/{id}")).await.json();
    let one = |one: &Value| (text(one, "orderStatus"), text(one, "channel"), text(one, "status"));
    view["notifications"].as_array().unwrap().iter().map(one).collect()
}

pub(crate) fn told_once(status: &str, channel: &str, outcome: &str) -> (String, String, String) {
    (status.to_owned(), channel.to_owned(), outcome.to_owned())
}

/// `c1` says how to be told.
pub(crate) async fn prefers(world: &World, kakao: bool, sms: bool) {
    let about = json!({ "name": "Minji", "phone": "010-9876-5432", "notify": { "kakao": kakao, "sms": sms } });
    assert_eq!(world.operator().put("/customers/c1", &about).await.status, 200);
}

#[tokio::test]
async fn each_step_is_told_by_alimtalk_with_the_text_that_kakao_approved() {
    let world = kitchen().await;
    let id = ordered(&world, &[("gimbap", 2)]).await;
    walk(&world, &id, "COMPLETED").await;
    world.settle().await;
    let messages = messages(&world);
    let mut templates: Vec<_> = messages.iter().map(|message| text(&message["kakaoOptions"], "templateId")).collect();
    let mut expected =
        ["order-paid", "order-accepted", "order-cooking", "order-cooked", "order-picked-up", "order-completed"];
    templates.sort_unstable();
    expected.sort_unstable();
    assert_eq!(templates, expected);
    let paid = messages.iter().find(|message| message["kakaoOptions"]["templateId"] == json!("order-paid")).unwrap();
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
    assert!(requests.iter().all(|request| request.status == 200), "signed as Solapi checks it: {requests:?}");
}

#[tokio::test]
async fn nhn_cloud_is_told_in_its_own_words() {
    let world = kitchen_of_nhn_cloud().await;
    let id = ordered(&world, &[("gimbap", 1)]).await;
    prefers(&world, false, true).await;
    step(&world, &id, "reject").await;
    world.partner("nhn-cloud").forget();
    world.settle().await;
    let sms = &received(&world, "nhn-cloud")[..];
    let [_, rejected] = sms else { panic!("one for each step: {sms:?}") };
    assert!(rejected.path.starts_with("/sms/v3.0/appKeys/") && rejected.status == 200, "{rejected:?}");
    assert_eq!(received(&world, "solapi").len(), 0);
    prefers(&world, true, true).await;
    world.partner("nhn-cloud").forget();
    let id = ordered(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    let [alimtalk] = &received(&world, "nhn-cloud")[..] else { panic!("one step") };
    assert!(alimtalk.path.starts_with("/alimtalk/v2.2/appkeys/"), "{alimtalk:?}");
    assert_eq!(alimtalk.headers["x-nc-api-idempotency-key"], format!("{id}-1-KAKAO"));
    let body: Value = serde_json::from_str(&alimtalk.body).unwrap();
    let recipient = &body["recipientList"][0];
    assert_eq!((&body["templateCode"], &recipient["recipientNo"]), (&json!("order-paid"), &json!("01098765432")));
    assert_eq!(recipient["templateParameter"], json!({ "금액": "4,000", "주문번호": id }));
    assert_eq!(
        (&recipient["resendParameter"]["isResend"], &recipient["resendParameter"]["resendType"]),
        (&json!(true), &json!("SMS"))
    );
    assert_eq!(told(&world, &id).await, [told_once("PAID", "KAKAO", "SENT")]);
}

#[tokio::test]
async fn whom_kakao_talk_does_not_reach_gets_a_text_message() {
    for world in [kitchen().await, kitchen_of_nhn_cloud().await] {
        for notifier in ["solapi", "nhn-cloud"] {
            world.partner(notifier).be(Mode::Decline);
        }
        let id = ordered(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        let expected = [told_once("PAID", "KAKAO", "FAILED"), told_once("PAID", "SMS", "SENT")];
        assert_eq!(told(&world, &id).await, expected);
        let taken = || [taken(&world, "solapi"), taken(&world, "nhn-cloud")].concat();
        assert_eq!(taken(), [(format!("{id}-1-SMS"), "SMS".into())]);
        pass(&world, Duration::from_mins(10)).await;
        assert_eq!(taken().len(), 1, "nothing comes again");
    }
}

#[tokio::test]
async fn customers_are_told_as_they_prefer() {
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
        let id = ordered(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        let outcomes: Vec<_> =
            expected.iter().map(|(channel, outcome, _)| told_once("PAID", channel, outcome)).collect();
        assert_eq!(told(&world, &id).await, outcomes, "{kakao} {sms} {declined}");
        let messages = messages(&world);
        assert_eq!(messages.len(), expected.len());
        for (message, (channel, _, disables_sms)) in messages.iter().zip(&expected) {
            assert_eq!(message["to"], json!("01098765432"), "the customer's own number before the delivery's");
            if *channel == "KAKAO" {
                assert_eq!(message["kakaoOptions"]["disableSms"], json!(disables_sms));
            }
        }
    }
}

#[tokio::test]
async fn whoever_told_no_number_is_told_nothing_and_nothing_waits() {
    let world = kitchen().await;
    assert_eq!(world.customer("c1").put("/customers/c1", &json!({ "name": "Minji" })).await.status, 200);
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await.json();
    let id = text(&placed, "orderId");
    step(&world, &id, "ship").await;
    world.settle().await;
    assert_eq!((told(&world, &id).await, messages(&world).len()), (vec![], 0));
    assert_eq!(world.messages("NotifyCustomerQueue").len() + world.messages("NotifyCustomerDeadLetters").len(), 0);
    // From then on a profile is enough.
    prefers(&world, true, true).await;
    step(&world, &id, "confirm-delivery").await;
    world.settle().await;
    assert_eq!(told(&world, &id).await, [told_once("COMPLETED", "KAKAO", "SENT")]);
}

/// An event of an order that waits in the queue of `notify-customer`.
async fn event(world: &World) -> (String, String) {
    world.enable("notify-customer", false);
    let id = ordered(world, &[("gimbap", 1)]).await;
    world.settle().await;
    let [event] = &world.messages("NotifyCustomerQueue")[..] else { panic!("one step, one event") };
    world.enable("notify-customer", true);
    (id, event.clone())
}

#[tokio::test]
async fn an_event_that_comes_often_is_told_once() {
    let world = kitchen().await;
    let (id, event) = event(&world).await;
    for _ in 0..3 {
        world.invoke("notify-customer", sqs_event(&[&event, &event, &event])).await.unwrap();
        world.settle().await;
        assert_eq!(messages(&world).len(), 1);
        world.advance(Duration::from_mins(1));
    }
    world.settle().await;
    assert_eq!((messages(&world).len(), told(&world, &id).await), (1, vec![told_once("PAID", "KAKAO", "SENT")]));
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
}

/// Somebody claimed a notification of an order's first version just now, and was never heard of again.
pub(crate) async fn abandoned_claim(world: &World, id: &str, channel: &str) {
    let item = json!({
        "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": format!("NOTIFICATION#000001#{channel}") },
        "version": { "N": "1" }, "orderStatus": { "S": "PAID" }, "channel": { "S": channel },
        "status": { "S": "SENDING" }, "at": { "S": world.now() },
    });
    assert_eq!(world.dynamodb("PutItem", json!({ "TableName": "ViewsTable", "Item": item })).await, json!({}));
}

#[tokio::test]
async fn what_somebody_was_about_to_tell_and_never_did_is_told_half_a_minute_later() {
    let world = kitchen().await;
    world.enable("notify-customer", false);
    let id = ordered(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    abandoned_claim(&world, &id, "KAKAO").await;
    world.enable("notify-customer", true);
    pass(&world, Duration::from_secs(20)).await;
    assert_eq!((messages(&world).len(), told(&world, &id).await), (0, vec![told_once("PAID", "KAKAO", "SENDING")]));
    for _ in 0..2 {
        pass(&world, Duration::from_secs(20)).await;
    }
    assert_eq!((messages(&world).len(), told(&world, &id).await), (1, vec![told_once("PAID", "KAKAO", "SENT")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_tell_at_once_one_does() {
    let world = std::sync::Arc::new(World::with(World::options()).await);
    furnish(&world).await;
    world.partner("solapi").behave(Behaviour { mode: Mode::Slow, delay_ms: Some(50), ..Behaviour::default() });
    let (id, event) = event(&world).await;
    let telling = (0..8).map(|_| {
        let (world, event) = (world.clone(), event.clone());
        tokio::spawn(async move { world.invoke("notify-customer", sqs_event(&[&event])).await.unwrap() })
    });
    futures::future::try_join_all(telling).await.unwrap();
    world.settle().await;
    assert_eq!((messages(&world).len(), told(&world, &id).await), (1, vec![told_once("PAID", "KAKAO", "SENT")]));
}

#[tokio::test]
async fn what_the_notifier_does_not_take_now_is_tried_until_it_does() {
    for mode in [Mode::Error, Mode::Down, Mode::Slow] {
        for world in [kitchen().await, kitchen_of_nhn_cloud().await] {
            for notifier in ["solapi", "nhn-cloud"] {
                world.partner(notifier).be(mode);
            }
            let id = ordered(&world, &[("gimbap", 1)]).await;
            pass(&world, Duration::from_secs(30)).await;
            assert!(!told(&world, &id).await.contains(&told_once("PAID", "KAKAO", "SENT")), "{mode:?}");
            for notifier in ["solapi", "nhn-cloud"] {
                world.partner(notifier).be(Mode::Ok);
            }
            for _ in 0..3 {
                pass(&world, Duration::from_secs(40)).await;
            }
            assert!(told(&world, &id).await.contains(&told_once("PAID", "KAKAO", "SENT")), "{mode:?}");
            assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
        }
    }
}

#[tokio::test]
async fn a_wrong_key_of_ours_is_no_reason_to_give_a_message_up() {
    for status in [401, 402, 403, 404, 429] {
        let world = kitchen().await;
        let partner = world.partner("solapi");
        partner.behave(Behaviour { mode: Mode::Error, status: Some(status), ..Behaviour::default() });
        let id = ordered(&world, &[("gimbap", 1)]).await;
        world.settle().await;
        assert_eq!((told(&world, &id).await, world.messages("NotifyCustomerQueue").len()), (vec![], 1), "{status}");
        partner.be(Mode::Ok);
        pass(&world, Duration::from_secs(10)).await;
        assert_eq!(told(&world, &id).await, [told_once("PAID", "KAKAO", "SENT")], "{status}");
    }
    // What it says of the message itself is final.
    let world = kitchen().await;
    world.partner("solapi").behave(Behaviour { mode: Mode::Error, status: Some(400), ..Behaviour::default() });
    let id = ordered(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    let failed = [told_once("PAID", "KAKAO", "FAILED"), told_once("PAID", "SMS", "FAILED")];
    assert_eq!((told(&world, &id).await, world.messages("NotifyCustomerQueue").len()), (failed.into(), 0));
}

#[tokio::test]
async fn where_the_answer_was_lost_nhn_cloud_knows_that_it_has_the_message() {
    let world = kitchen_of_nhn_cloud().await;
    world.partner("nhn-cloud").be(Mode::Lost);
    let id = ordered(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    world.partner("nhn-cloud").be(Mode::Ok);
    pass(&world, Duration::from_secs(40)).await;
    assert_eq!(received(&world, "nhn-cloud").len(), 2, "asked twice");
    assert_eq!(taken(&world, "nhn-cloud"), [(format!("{id}-1-KAKAO"), "ATA".into())], "taken once");
    assert_eq!(told(&world, &id).await, [told_once("PAID", "KAKAO", "SENT")]);
}

#[tokio::test]
async fn customers_are_told_whatever_fails_how() {
    for nth in 1..=8 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            for count in [1, 5] {
                let world = kitchen_of_nhn_cloud().await;
                let (id, event) = event(&world).await;
                let rule =
                    Rule { service: Some("dynamodb".into()), operation: None, kind, every: nth, count: Some(count) };
                world.inject([rule]);
                world.invoke("notify-customer", sqs_event(&[&event])).await.unwrap();
                world.inject([]);
                for _ in 0..4 {
                    pass(&world, Duration::from_secs(40)).await;
                }
                let told_of = format!("{kind:?} at {nth}, {count} times");
                assert_eq!(told(&world, &id).await, [told_once("PAID", "KAKAO", "SENT")], "{told_of}");
                assert_eq!(taken(&world, "nhn-cloud"), [(format!("{id}-1-KAKAO"), "ATA".into())], "{told_of}");
            }
        }
    }
}

#[tokio::test]
async fn a_number_that_is_no_korean_mobile_number_is_refused() {
    let world = kitchen().await;
    for phone in ["+1 650 253 0000", "02-123-4567", "060-700-1234", "1588-1234"] {
        let about = json!({ "name": "Sam", "phone": phone });
        assert_eq!(world.operator().put("/customers/c1", &about).await.problem(), "malformed-request", "{phone}");
    }
}

#[tokio::test]
async fn what_is_no_event_is_laid_aside() {
    let world = kitchen().await;
    world.send_message("NotifyCustomerQueue", "no event, but a number: 010-1234-5678");
    world.settle().await;
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
    assert_eq!(world.messages("NotifyCustomerDeadLetters").len(), 1);
}

#[tokio::test]
async fn templates_have_the_names_that_the_notifier_gave_them() {
    let ids = ("AlimtalkTemplateIds", "order-accepted=KA01TP2, order-paid=KA01TP1");
    let world = kitchen_told_through("SOLAPI", Some(ids)).await;
    let id = ordered(&world, &[("gimbap", 1)]).await;
    walk(&world, &id, "COOKING").await;
    world.settle().await;
    let names: BTreeSet<String> =
        messages(&world).iter().map(|message| text(&message["kakaoOptions"], "templateId")).collect();
    assert_eq!(names, ["KA01TP1", "KA01TP2", "order-cooking"].map(str::to_owned).into());
}

#[tokio::test]
async fn no_log_has_a_phone_number() {
    let log = crate::log::Log::default();
    let _listening = log.listen();
    let world = kitchen().await;
    prefers(&world, true, true).await;
    for mode in [Mode::Decline, Mode::Error, Mode::Down, Mode::Ok] {
        world.partner("solapi").be(mode);
        let id = ordered(&world, &[("gimbap", 1)]).await;
        pass(&world, Duration::from_mins(1)).await;
        walk(&world, &id, "COMPLETED").await;
    }
    world.send_message("NotifyCustomerQueue", "010-1234-5678");
    for queue in ["NotifyCustomerQueue", "ProjectOrderViewsQueue", "RecordSalesQueue"] {
        world.send_message(queue, r#"{"data":{"delivery":{"phone":1012345678}},"specversion":1012345678}"#);
    }
    let bad = json!({ "name": "x", "phone": "010-1234-5678 or so" });
    world.customer("c1").put("/customers/c1", &bad).await;
    world.customer("c1").post("/order", &nearby(&[("gimbap", 9_999)])).await;
    for _ in 0..4 {
        pass(&world, Duration::from_mins(6)).await;
    }
    let lines = log.lines();
    assert!(lines.contains("a notification is refused"), "{lines}");
    assert!(lines.contains("a message will come again"), "{lines}");
    for number in ["1234-5678", "12345678", "9876-5432", "98765432"] {
        assert!(!lines.contains(number), "{}", lines.lines().find(|line| line.contains(number)).unwrap_or_default());
    }
}
