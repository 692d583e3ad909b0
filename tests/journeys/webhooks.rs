//! Webhook deliveries (Standard Webhooks 1.0.0): events are sent signed, and the deliveries to each
//! endpoint are independent.

use crate::support::{
    pass_time, shop, sqs_event, text,
    webhooks::{PATH, deliveries, place, received, registered},
};
use domain::Timestamp;
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::{collections::BTreeSet, time::Duration};

/// Sets the status of all further responses of the receiver.
fn respond_with(world: &World, status: u16) {
    world.partner("webhook-receiver").behave(Behaviour {
        mode: Mode::Error,
        status: Some(status),
        ..Behaviour::default()
    });
}

/// Lets time pass in steps of a quarter of an hour.
async fn pass_in_steps(world: &World, time: Duration) {
    let step = Duration::from_mins(15);
    for _ in 0..time.as_secs() / step.as_secs() {
        pass_time(world, step).await;
    }
    pass_time(world, Duration::from_secs(time.as_secs() % step.as_secs())).await;
}

#[tokio::test]
async fn an_endpoint_gets_the_events_of_its_subscription_with_a_valid_signature() {
    let world = World::with(World::options()).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 10_000).await;
    let secret = registered(&world, &["order.paid.v1"]).await;
    let id = place(&world).await;
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    world.settle().await;
    let [request] = &received(&world)[..] else {
        panic!("expected the paid event alone: {:?}", received(&world))
    };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/orders"));
    assert_eq!(request.headers["content-type"], "application/cloudevents+json");
    assert_eq!(request.headers["webhook-id"], format!("{id}#1"));
    let mut headers = axum::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(
            axum::http::HeaderName::from_static(name),
            request.headers[name].parse().unwrap(),
        );
    }
    Webhook::new(&secret).unwrap().verify(request.body.as_bytes(), &headers).unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (&body["type"], &body["timestamp"], &body["data"]["orderId"]),
        (&json!("order.paid.v1"), &body["time"], &json!(id))
    );
    let [delivery] = &deliveries(&world, "warehouse").await[..] else {
        panic!("expected one delivery")
    };
    assert_eq!(
        (&delivery["status"], &delivery["attempts"][0]["status"]),
        (&json!("DELIVERED"), &json!(200))
    );
}

#[tokio::test]
async fn a_repeated_event_is_sent_once() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    world.enable("deliver-webhook", false);
    place(&world).await;
    world.settle().await;
    let [event] = &world.messages("DeliverWebhookQueue")[..] else { panic!("expected one event") };
    world.enable("deliver-webhook", true);
    for _ in 0..3 {
        world.invoke("deliver-webhook", sqs_event(&world, &[event, event])).await.unwrap();
        pass_time(&world, Duration::from_mins(1)).await;
    }
    assert_eq!((received(&world).len(), deliveries(&world, "warehouse").await.len()), (1, 1));
    assert_eq!(world.messages("DeliverWebhookQueue").len(), 0);
}

#[tokio::test]
async fn a_failed_delivery_is_retried_on_schedule_under_the_same_id_until_it_is_exhausted() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    respond_with(&world, 500);
    let id = place(&world).await;
    world.settle().await;
    for (failed, least) in
        [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].into_iter().enumerate()
    {
        assert_eq!(received(&world).len(), failed + 1);
        let log = &deliveries(&world, "warehouse").await[0];
        let time = |value: &Value| -> Timestamp { value.as_str().unwrap().parse().unwrap() };
        let (at, next) = (time(&log["attempts"][failed]["at"]), time(&log["nextAttemptAt"]));
        let least = Duration::from_secs(least);
        assert!(
            (least..=least * 11 / 10 + Duration::from_millis(50)).contains(&at.until(next)),
            "{at} {next}"
        );
        let left = world.now().until(next);
        pass_in_steps(&world, left * 9 / 10).await;
        assert_eq!(received(&world).len(), failed + 1, "not before {next}");
        // The schedule skips deliveries due for less than 30 seconds: their messages may be on the
        // way.
        pass_in_steps(&world, left / 10 + Duration::from_secs(33)).await;
    }
    let requests = received(&world);
    let ids: BTreeSet<&String> =
        requests.iter().map(|request| &request.headers["webhook-id"]).collect();
    assert_eq!((requests.len(), ids), (10, [&format!("{id}#1")].into()));
    let times: BTreeSet<&String> =
        requests.iter().map(|request| &request.headers["webhook-timestamp"]).collect();
    assert_eq!(times.len(), 10, "the timestamp is that of the attempt");
    pass_in_steps(&world, Duration::from_hours(30)).await;
    assert_eq!(received(&world).len(), 10);
    let [delivery] = &deliveries(&world, "warehouse").await[..] else {
        panic!("expected one delivery")
    };
    assert_eq!(
        (&delivery["status"], delivery["attempts"].as_array().unwrap().len()),
        (&json!("FAILED"), 10)
    );
    assert!(delivery.get("nextAttemptAt").is_none());
    assert_eq!(world.messages("DeliverWebhookQueue").len(), 0);

    // An operator replays the delivery.
    respond_with(&world, 204);
    let path = format!("{PATH}/deliveries/{}/replay", text(delivery, "deliveryId"));
    assert_eq!(world.operator().post(&path, &json!({})).await.status, 202);
    world.settle().await;
    let [delivery] = &deliveries(&world, "warehouse").await[..] else {
        panic!("expected the same delivery")
    };
    assert_eq!(
        (&delivery["status"], delivery["attempts"].as_array().unwrap().len()),
        (&json!("DELIVERED"), 11)
    );
    assert_eq!(received(&world)[10].headers["webhook-id"], format!("{id}#1"));
    let missing =
        world.operator().post(&format!("{PATH}/deliveries/dlv_none/replay"), &json!({})).await;
    assert_eq!(missing.problem(), "not-found");
}

#[tokio::test]
async fn only_2xx_is_success_and_redirects_are_not_followed() {
    for status in [301, 302, 307, 400, 404, 500] {
        let world = shop().await;
        registered(&world, &["*"]).await;
        respond_with(&world, status);
        place(&world).await;
        world.settle().await;
        let [delivery] = &deliveries(&world, "warehouse").await[..] else {
            panic!("expected one delivery")
        };
        assert_eq!(
            (&delivery["status"], &delivery["attempts"][0]["status"]),
            (&json!("PENDING"), &json!(status))
        );
        assert_eq!(received(&world).len(), 1, "{status}");
        respond_with(&world, 204);
        pass_time(&world, Duration::from_secs(10)).await;
        assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("DELIVERED"));
    }
}

#[tokio::test]
async fn retry_after_pauses_the_deliveries_to_an_endpoint() {
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
        respond_with(&world, 200);
        place(&world).await;
        pass_time(&world, Duration::from_mins(9)).await;
        assert_eq!(
            received(&world).len(),
            1,
            "no delivery is sent before `Retry-After` has passed"
        );
        for _ in 0..3 {
            pass_time(&world, Duration::from_mins(1)).await;
        }
        assert_eq!(received(&world).len(), 3);
    }
}

#[tokio::test]
async fn a_410_response_disables_an_endpoint_until_it_is_enabled_again() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    respond_with(&world, 410);
    place(&world).await;
    world.settle().await;
    let shown = world.operator().get(PATH).await.json();
    assert_eq!(
        (&shown["active"], &shown["disabledBecause"]),
        (&json!(false), &json!("the endpoint responded with 410 Gone"))
    );
    place(&world).await;
    pass_time(&world, Duration::from_hours(1)).await;
    assert_eq!(received(&world).len(), 1, "a disabled endpoint gets nothing");
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
    let again = json!({ "url": shown["url"], "events": ["order.paid.v1"], "active": true });
    let log = &deliveries(&world, "warehouse").await[0];
    assert_eq!(log["givenUpBecause"], json!("the endpoint responded with 410 Gone"));
    let back = world.operator().put(PATH, &again).await.json();
    assert_eq!(
        (&back["active"], back.get("disabledBecause"), back.get("secret")),
        (&json!(true), None, None)
    );
    respond_with(&world, 200);
    place(&world).await;
    world.settle().await;
    assert_eq!(received(&world).len(), 2);
}

#[tokio::test]
async fn deliveries_to_the_templates_endpoints_are_retried_after_any_response() {
    let world = shop().await;
    world.partner("tms").behave(Behaviour {
        mode: Mode::Error,
        status: Some(410),
        ..Behaviour::default()
    });
    place(&world).await;
    world.settle().await;
    assert_eq!(deliveries(&world, "tms").await[0]["status"], json!("PENDING"));
    world.partner("tms").be(Mode::Ok);
    pass_time(&world, Duration::from_secs(10)).await;
    assert_eq!(deliveries(&world, "tms").await[0]["status"], json!("DELIVERED"));
}

#[tokio::test]
async fn a_webhook_that_is_registered_again_gets_no_deliveries_of_the_deleted_one() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    respond_with(&world, 500);
    place(&world).await;
    world.settle().await;
    world.operator().delete(PATH).await;
    world.partner("webhook-receiver").be(Mode::Ok);
    world.advance(Duration::from_secs(1));
    registered(&world, &["*"]).await;
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(received(&world).len(), 1);
    assert_eq!(
        deliveries(&world, "warehouse").await[0]["givenUpBecause"],
        json!("the webhook was removed")
    );
}

#[tokio::test]
async fn a_private_url_is_refused_at_registration_and_at_delivery() {
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
    // The URL was public when it was registered. Now it is not, or its name resolves differently.
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
        assert_eq!(
            deliveries(&world, "warehouse").await[0]["attempts"][0]["error"],
            json!(expected)
        );
    }
    for (body, field) in [
        (json!({ "url": "https://example.com", "events": [] }), "events"),
        (json!({ "url": "https://example.com", "events": ["order.lost.v1"] }), "events"),
        (json!({ "events": ["*"] }), "url"),
    ] {
        assert_eq!(
            world.operator().put(PATH, &body).await.json()["errors"][0]["field"],
            json!(field)
        );
    }
}

#[tokio::test]
async fn the_templates_endpoints_are_listed_and_only_a_deployment_changes_them() {
    let world = shop().await;
    registered(&world, &["order.paid.v1"]).await;
    let listed = world.operator().get("/api/v1/admin/webhooks").await.json();
    let names: Vec<String> =
        listed["webhooks"].as_array().unwrap().iter().map(|one| text(one, "name")).collect();
    assert_eq!(names, ["tms", "tason", "warehouse"]);
    assert_eq!(
        world.operator().get("/api/v1/admin/webhooks/tason").await.json()["onlyOfCampaigns"],
        json!(true)
    );
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
    assert_eq!(
        (world.operator().delete(PATH).await.status, world.operator().get(PATH).await.status),
        (204, 404)
    );
}

#[tokio::test]
async fn the_templates_endpoints_may_have_any_url() {
    let elsewhere = World::new().await;
    let receiver = elsewhere.partner("webhook-receiver");
    let url = receiver.base_url.replace("127.0.0.1", "localhost");
    let options =
        local::Options { parameters: [("TmsUrl".to_owned(), url)].into(), ..World::options() };
    let world = World::with(options).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 10_000).await;
    place(&world).await;
    world.settle().await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn pending_deliveries_of_a_deleted_webhook_fail() {
    let world = shop().await;
    registered(&world, &["*"]).await;
    respond_with(&world, 500);
    place(&world).await;
    world.settle().await;
    world.operator().delete(PATH).await;
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!((received(&world).len(), world.messages("DeliverWebhookQueue").len()), (1, 0));
    assert_eq!(deliveries(&world, "warehouse").await[0]["status"], json!("FAILED"));
}

#[tokio::test]
async fn every_event_arrives_despite_any_fault_in_any_call() {
    for nth in 1..=9 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            for service in [None, Some("kms".to_owned()), Some("sqs".to_owned())] {
                let world = shop().await;
                registered(&world, &["*"]).await;
                world.enable("deliver-webhook", false);
                let id = place(&world).await;
                world.settle().await;
                world.cool_down();
                world.inject([Rule {
                    service: service.clone(),
                    operation: None,
                    kind,
                    every: nth,
                    count: Some(4),
                }]);
                world.enable("deliver-webhook", true);
                for _ in 0..3 {
                    pass_time(&world, Duration::from_secs(40)).await;
                }
                world.inject([]);
                for _ in 0..4 {
                    pass_time(&world, Duration::from_mins(6)).await;
                }
                let arrived: BTreeSet<String> = received(&world)
                    .iter()
                    .map(|request| request.headers["webhook-id"].clone())
                    .collect();
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
