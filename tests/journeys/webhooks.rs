//! Events are brought to whoever wants them, signed (Standard Webhooks 1.0.0), and each receiver has its own fate.

use crate::{order, pass, shop, sqs_event, text};
use domain::Timestamp;
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode, Received},
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::{collections::BTreeSet, time::Duration};

const PATH: &str = "/api/v1/admin/webhooks/warehouse";

/// From now on the receiver answers so.
fn answers(world: &World, status: u16) {
    world.partner("webhook-receiver").behave(Behaviour {
        mode: Mode::Error,
        status: Some(status),
        ..Behaviour::default()
    });
}

/// A shop with a webhook `warehouse` for some events: its secret.
pub(crate) async fn registered(world: &World, events: &[&str]) -> String {
    let url = format!("{}/orders", world.partner("webhook-receiver").base_url);
    let reply = world.operator().put(PATH, &json!({ "url": url, "events": events })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    text(&reply.json(), "secret")
}

pub(crate) async fn place(world: &World) -> String {
    let placed = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    text(&placed.json(), "orderId")
}

pub(crate) fn received(world: &World) -> Vec<Received> {
    world.partner("webhook-receiver").requests()
}

/// Time goes by, a quarter of an hour at a time.
async fn pass_in_steps(world: &World, time: Duration) {
    let step = Duration::from_mins(15);
    for _ in 0..time.as_secs() / step.as_secs() {
        pass(world, step).await;
    }
    pass(world, Duration::from_secs(time.as_secs() % step.as_secs())).await;
}

pub(crate) async fn deliveries(world: &World, name: &str) -> Vec<Value> {
    let path = format!("/api/v1/admin/webhooks/{name}/deliveries?limit=100");
    world.operator().get(&path).await.json()["deliveries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_receiver_gets_the_events_that_it_wants_signed_as_the_published_verifier_checks() {
    let world = World::with(World::options()).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 10_000).await;
    let secret = registered(&world, &["order.paid.v1"]).await;
    let id = place(&world).await;
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    world.settle().await;
    let [request] = &received(&world)[..] else { panic!("paid, and not cancelled: {:?}", received(&world)) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/orders"));
    assert_eq!(request.headers["content-type"], "application/cloudevents+json");
    assert_eq!(request.headers["webhook-id"], format!("{id}#1"));
    let mut headers = axum::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(axum::http::HeaderName::from_static(name), request.headers[name].parse().unwrap());
    }
    Webhook::new(&secret).unwrap().verify(request.body.as_bytes(), &headers).unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (&body["type"], &body["timestamp"], &body["data"]["orderId"]),
        (&json!("order.paid.v1"), &body["time"], &json!(id))
    );
    let [delivery] = &deliveries(&world, "warehouse").await[..] else { panic!("one delivery") };
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("DELIVERED"), &json!(200)));
}

#[tokio::test]
async fn an_event_that_comes_often_is_sent_once() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    world.enable("deliver-webhook", false);
    place(&world).await;
    world.settle().await;
    let [event] = &world.messages("DeliverWebhookQueue")[..] else { panic!("one event") };
    world.enable("deliver-webhook", true);
    for _ in 0..3 {
        world.invoke("deliver-webhook", sqs_event(&[event, event])).await.unwrap();
        pass(&world, Duration::from_mins(1)).await;
    }
    assert_eq!((received(&world).len(), deliveries(&world, "warehouse").await.len()), (1, 1));
    assert_eq!(world.messages("DeliverWebhookQueue").len(), 0);
}

#[tokio::test]
async fn what_does_not_arrive_comes_again_by_the_schedule_under_the_same_id_until_it_is_given_up() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    answers(&world, 500);
    let id = place(&world).await;
    world.settle().await;
    for (failed, least) in [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].into_iter().enumerate() {
        assert_eq!(received(&world).len(), failed + 1);
        let log = &deliveries(&world, "warehouse").await[0];
        let time = |value: &Value| -> Timestamp { value.as_str().unwrap().parse().unwrap() };
        let (at, next) = (time(&log["attempts"][failed]["at"]), time(&log["nextAttemptAt"]));
        let least = Duration::from_secs(least);
        assert!((least..=least * 11 / 10 + Duration::from_millis(50)).contains(&at.until(next)), "{at} {next}");
        let left = world.now().until(next);
        pass_in_steps(&world, left * 9 / 10).await;
        assert_eq!(received(&world).len(), failed + 1, "not before {next}");
        // The schedule leaves half a minute to what has a message of its own.
        pass_in_steps(&world, left / 10 + Duration::from_secs(33)).await;
    }
    let requests = received(&world);
    let ids: BTreeSet<&String> = requests.iter().map(|request| &request.headers["webhook-id"]).collect();
    assert_eq!((requests.len(), ids), (10, [&format!("{id}#1")].into()));
    let times: BTreeSet<&String> = requests.iter().map(|request| &request.headers["webhook-timestamp"]).collect();
    assert_eq!(times.len(), 10, "the time is that of the attempt");
    pass_in_steps(&world, Duration::from_hours(30)).await;
    assert_eq!(received(&world).len(), 10);
    let [delivery] = &deliveries(&world, "warehouse").await[..] else { panic!("one delivery") };
    assert_eq!((&delivery["status"], delivery["attempts"].as_array().unwrap().len()), (&json!("FAILED"), 10));
    assert!(delivery.get("nextAttemptAt").is_none());
    assert_eq!(world.messages("DeliverWebhookQueue").len(), 0);

    // Somebody sends it once more by hand.
    answers(&world, 204);
    let path = format!("{PATH}/deliveries/{}/replay", text(delivery, "deliveryId"));
    assert_eq!(world.operator().post(&path, &json!({})).await.status, 202);
    world.settle().await;
    let [delivery] = &deliveries(&world, "warehouse").await[..] else { panic!("the same delivery") };
    assert_eq!((&delivery["status"], delivery["attempts"].as_array().unwrap().len()), (&json!("DELIVERED"), 11));
    assert_eq!(received(&world)[10].headers["webhook-id"], format!("{id}#1"));
    let missing = world.operator().post(&format!("{PATH}/deliveries/dlv_none/replay"), &json!({})).await;
    assert_eq!(missing.problem(), "not-found");
}

#[tokio::test]
async fn nothing_but_2xx_is_success_and_redirects_are_not_followed() {
    for status in [301, 302, 307, 400, 404, 500] {
        let world = shop().await;
        registered(&world, &["*"]).await;
        answers(&world, status);
        place(&world).await;
        world.settle().await;
        let [delivery] = &deliveries(&world, "warehouse").await[..] else { panic!("one delivery") };
        assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("PENDING"), &json!(status)));
        assert_eq!(received(&world).len(), 1, "{status}");
        answers(&world, 204);
        pass(&world, Duration::from_secs(10)).await;
        assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("DELIVERED"));
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    for status in [429, 503] {
        let world = shop().await;
        registered(&world, &["*"]).await;
        let busy = Behaviour {
            mode: Mode::Error,
            status: Some(status),
            retry_after_seconds: Some(600),
            ..Behaviour::default()
        };
        world.partner("webhook-receiver").behave(busy);
        place(&world).await;
        world.settle().await;
        answers(&world, 200);
        place(&world).await;
        pass(&world, Duration::from_mins(9)).await;
        assert_eq!(received(&world).len(), 1, "not before, nor another");
        for _ in 0..3 {
            pass(&world, Duration::from_mins(1)).await;
        }
        assert_eq!(received(&world).len(), 3);
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off_and_can_be_switched_on_again() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    answers(&world, 410);
    place(&world).await;
    world.settle().await;
    let shown = world.operator().get(PATH).await.json();
    assert_eq!((&shown["active"], &shown["disabledBecause"]), (&json!(false), &json!("it answered 410 Gone")));
    place(&world).await;
    pass(&world, Duration::from_hours(1)).await;
    assert_eq!(received(&world).len(), 1, "it hears nothing more");
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
    let again = json!({ "url": shown["url"], "events": ["order.paid.v1"], "active": true });
    let log = &deliveries(&world, "warehouse").await[0];
    assert_eq!(log["givenUpBecause"], json!("its receiver wants nothing more"));
    let back = world.operator().put(PATH, &again).await.json();
    assert_eq!((&back["active"], back.get("disabledBecause"), back.get("secret")), (&json!(true), None, None));
    answers(&world, 200);
    place(&world).await;
    world.settle().await;
    assert_eq!(received(&world).len(), 2);
}

#[tokio::test]
async fn what_the_template_names_is_tried_again_whatever_it_answers() {
    let world = shop().await;
    world.partner("tms").behave(Behaviour { mode: Mode::Error, status: Some(410), ..Behaviour::default() });
    place(&world).await;
    world.settle().await;
    assert_eq!(deliveries(&world, "tms").await[0]["status"], json!("PENDING"));
    world.partner("tms").be(Mode::Ok);
    pass(&world, Duration::from_secs(10)).await;
    assert_eq!(deliveries(&world, "tms").await[0]["status"], json!("DELIVERED"));
}

#[tokio::test]
async fn a_webhook_that_is_registered_anew_gets_nothing_that_was_due_to_the_one_before() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    answers(&world, 500);
    place(&world).await;
    world.settle().await;
    world.operator().delete(PATH).await;
    world.partner("webhook-receiver").be(Mode::Ok);
    world.advance(Duration::from_secs(1));
    registered(&world, &["*"]).await;
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!(received(&world).len(), 1);
    assert_eq!(deliveries(&world, "warehouse").await[0]["givenUpBecause"], json!("the webhook was removed"));
}

#[tokio::test]
async fn a_rotation_that_comes_again_leaves_the_secret_that_the_receiver_knows() {
    let world = shop().await;
    let first = registered(&world, &["*"]).await;
    let mut signing = vec![first];
    for _ in 0..4 {
        let rotated = world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await;
        signing.insert(0, text(&rotated.json(), "secret"));
    }
    let too_many = world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await;
    assert_eq!(too_many.problem(), "too-many-secrets");
    place(&world).await;
    world.settle().await;
    let request = &received(&world)[0];
    let at = request.headers["webhook-timestamp"].parse().unwrap();
    let signed = |secret: &String| {
        Webhook::new(secret).unwrap().sign(&request.headers["webhook-id"], at, request.body.as_bytes()).unwrap()
    };
    assert_eq!(request.headers["webhook-signature"], signing.iter().map(signed).collect::<Vec<_>>().join(" "));
    world.advance(Duration::from_hours(25));
    assert_eq!(world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await.status, 200);
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign_for_a_day() {
    let world = shop().await;
    let first = registered(&world, &["*"]).await;
    let rotated = world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await.json();
    let second = text(&rotated, "secret");
    assert!(second != first && second.starts_with("whsec_") && rotated.get("previousSecretUntil").is_some());
    let signed = |request: &Received, secret: &str| {
        let at = request.headers["webhook-timestamp"].parse().unwrap();
        Webhook::new(secret).unwrap().sign(&request.headers["webhook-id"], at, request.body.as_bytes()).unwrap()
    };
    place(&world).await;
    world.settle().await;
    let request = &received(&world)[0];
    assert_eq!(
        request.headers["webhook-signature"],
        format!("{} {}", signed(request, &second), signed(request, &first))
    );
    world.advance(Duration::from_hours(25));
    place(&world).await;
    world.settle().await;
    let request = &received(&world)[1];
    assert_eq!(request.headers["webhook-signature"], signed(request, &second));
    assert!(world.operator().get(PATH).await.json().get("previousSecretUntil").is_none());
    let unknown = world.operator().post("/api/v1/admin/webhooks/nobody/rotate-secret", &json!({})).await;
    assert_eq!(unknown.problem(), "not-found");
}

#[tokio::test]
async fn secrets_are_shown_once_and_kept_sealed_each_for_its_own_webhook() {
    let log = crate::log::Log::default();
    let _listening = log.listen();
    let world = shop().await;
    let secret = registered(&world, &["*"]).await;
    place(&world).await;
    world.settle().await;
    let answers = [
        world.operator().get(PATH).await.body,
        world.operator().get("/api/v1/admin/webhooks").await.body,
        world.operator().get(&format!("{PATH}/deliveries")).await.body,
        log.lines(),
    ];
    let rows = world.dynamodb("Scan", json!({ "TableName": "WebhooksTable" })).await;
    for text in answers.iter().chain([&rows.to_string()]) {
        assert!(!text.contains(&secret) && !text.contains("whsec_"), "{text}");
    }
    // What was sealed for one does not open for another.
    let row =
        rows["Items"].as_array().unwrap().iter().find(|row| row["sk"]["S"] == json!("warehouse")).unwrap().clone();
    let mut stolen = row.clone();
    (stolen["sk"], stolen["name"]) = (json!({ "S": "thief" }), json!({ "S": "thief" }));
    world.dynamodb("PutItem", json!({ "TableName": "WebhooksTable", "Item": stolen })).await;
    world.partner("webhook-receiver").forget();
    place(&world).await;
    pass(&world, Duration::from_mins(1)).await;
    let ids: Vec<String> = received(&world).iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 1, "the thief hears nothing");
}

#[tokio::test]
async fn a_url_that_leads_inside_is_refused_at_registration_and_again_at_sending() {
    let world = shop().await;
    for url in [
        "http://example.com",
        "https://10.0.0.1",
        "https://169.254.169.254/latest",
        "https://db.internal",
        "nonsense",
        "http://10.0.0.1",
    ] {
        let refused = world.operator().put(PATH, &json!({ "url": url, "events": ["*"] })).await;
        assert_eq!(
            (refused.problem().as_str(), &refused.json()["errors"][0]["field"]),
            ("malformed-request", &json!("url")),
            "{url}"
        );
    }
    registered(&world, &["*"]).await;
    // It was safe once; now it is not, or its name leads elsewhere.
    for (url, expected) in [
        ("https://10.0.0.1/x", "the URL must lead to a public address"),
        ("https://localhost./x", "the URL must lead to a public address"),
    ] {
        let update = json!({
            "TableName": "WebhooksTable", "Key": { "pk": { "S": "WEBHOOKS" }, "sk": { "S": "warehouse" } },
            "UpdateExpression": "SET #u = :u", "ExpressionAttributeNames": { "#u": "url" }, "ExpressionAttributeValues": { ":u": { "S": url } },
        });
        world.dynamodb("UpdateItem", update).await;
        place(&world).await;
        world.settle().await;
        assert_eq!(deliveries(&world, "warehouse").await[0]["attempts"][0]["error"], json!(expected));
    }
    for (body, field) in [
        (json!({ "url": "https://example.com", "events": [] }), "events"),
        (json!({ "url": "https://example.com", "events": ["order.lost.v1"] }), "events"),
        (json!({ "events": ["*"] }), "url"),
    ] {
        assert_eq!(world.operator().put(PATH, &body).await.json()["errors"][0]["field"], json!(field));
    }
}

#[tokio::test]
async fn the_templates_own_endpoints_are_listed_and_changed_by_deploying_alone() {
    let world = shop().await;
    registered(&world, &["order.paid.v1"]).await;
    let listed = world.operator().get("/api/v1/admin/webhooks").await.json();
    let names: Vec<String> = listed["webhooks"].as_array().unwrap().iter().map(|one| text(one, "name")).collect();
    assert_eq!(names, ["tms", "tason", "warehouse"]);
    assert_eq!(world.operator().get("/api/v1/admin/webhooks/tason").await.json()["onlyOfCampaigns"], json!(true));
    for name in ["tms", "tason"] {
        let path = format!("/api/v1/admin/webhooks/{name}");
        let body = json!({ "url": "https://example.com", "events": ["*"] });
        assert_eq!(world.operator().put(&path, &body).await.problem(), "reserved-name");
        assert_eq!(world.operator().delete(&path).await.problem(), "reserved-name");
        assert_eq!(
            world.operator().post(&format!("{path}/rotate-secret"), &json!({})).await.problem(),
            "reserved-name"
        );
    }
    assert_eq!(world.operator().delete(PATH).await.status, 204);
    assert_eq!((world.operator().delete(PATH).await.status, world.operator().get(PATH).await.status), (204, 404));
}

#[tokio::test]
async fn whoever_deploys_may_name_an_endpoint_anywhere() {
    let elsewhere = World::new().await;
    let receiver = elsewhere.partner("webhook-receiver");
    let url = receiver.base_url.replace("127.0.0.1", "localhost");
    let options = local::Options { parameters: [("TmsUrl".to_owned(), url)].into(), ..World::options() };
    let world = World::with(options).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 10_000).await;
    place(&world).await;
    world.settle().await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn what_is_due_to_a_webhook_that_was_removed_is_given_up() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    answers(&world, 500);
    place(&world).await;
    world.settle().await;
    world.operator().delete(PATH).await;
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!((received(&world).len(), world.messages("DeliverWebhookQueue").len()), (1, 0));
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
}

#[tokio::test]
async fn every_event_arrives_whatever_fails_how() {
    for nth in 1..=9 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            for service in [None, Some("kms".to_owned()), Some("sqs".to_owned())] {
                let world = shop().await;
                registered(&world, &["*"]).await;
                world.enable("deliver-webhook", false);
                let id = place(&world).await;
                world.settle().await;
                world.cool_down();
                world.inject([Rule { service: service.clone(), operation: None, kind, every: nth, count: Some(4) }]);
                world.enable("deliver-webhook", true);
                for _ in 0..3 {
                    pass(&world, Duration::from_secs(40)).await;
                }
                world.inject([]);
                for _ in 0..4 {
                    pass(&world, Duration::from_mins(6)).await;
                }
                let arrived: BTreeSet<String> =
                    received(&world).iter().map(|request| request.headers["webhook-id"].clone()).collect();
                assert_eq!(arrived, [format!("{id}#1")].into(), "{kind:?} at {nth} of {service:?}");
                assert_eq!(
                    deliveries(&world, "warehouse").await[0]["status"],
                    json!("DELIVERED"),
                    "{kind:?} at {nth} of {service:?}"
                );
                assert_eq!(world.messages("DeliverWebhookQueue").len(), 0);
            }
        }
    }
}
