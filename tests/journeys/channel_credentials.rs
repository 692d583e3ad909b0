//! The credentials of channels: encrypted, never returned, validated.

use crate::support::{channels::*, text};
use local::World;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn secrets_are_encrypted_and_appear_in_no_response_or_row() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    let secret = text(&world.partner("coupang").credentials["shops"][0], "secretKey");
    let path = format!("{CHANNELS}/{channel}");
    let listed = world.operator().get(CHANNELS).await;
    assert_eq!(listed.json()["channels"].as_array().unwrap().len(), 1);
    let rows = world.dynamodb("Scan", json!({ "TableName": "ChannelsTable" })).await;
    for visible in [world.operator().get(&path).await.body, listed.body, rows.to_string()] {
        assert!(!visible.contains(&secret), "{visible}");
        assert!(visible.contains("A00012345"), "{visible}");
    }
    // Credentials encrypted for one channel cannot be decrypted for another.
    let other = register(&world, "coupang", 1).await;
    let row = |id: &str| json!({ "pk": { "S": "CHANNELS" }, "sk": { "S": id } });
    let table = "ChannelsTable";
    let mut stolen = world
        .dynamodb("GetItem", json!({ "TableName": table, "Key": row(&channel) }))
        .await["Item"]["credentials"]
        .clone();
    stolen = json!({
        "TableName": table, "Key": row(&other), "UpdateExpression": "SET credentials = :stolen",
        "ExpressionAttributeValues": { ":stolen": stolen },
    });
    world.dynamodb("UpdateItem", stolen).await;
    assert_eq!(
        world.operator().post(&format!("{CHANNELS}/{other}/test"), &json!({})).await.status,
        500
    );
    assert_eq!(
        world.operator().post(&format!("{path}/test"), &json!({})).await.json(),
        json!({ "ok": true, "detail": "" })
    );
}

#[tokio::test]
async fn new_credentials_replace_the_old_ones_and_must_be_of_the_same_account() {
    let world = World::new().await;
    for (partner, wrong) in [("coupang", "secretKey"), ("smartstore", "clientSecret")] {
        let good = world.partner(partner).credentials["shops"][0].clone();
        let mut bad = good.clone();
        bad[wrong] = json!("$2a$04$ABCDEFGHIJKLMNOPQRSTUu");
        let body = json!({ "name": "x", "type": partner.to_uppercase(), "credentials": bad });
        let created = world.operator().post_once(CHANNELS, &body, partner).await;
        let channel = text(&created.json(), "channelId");
        let again = world.operator().post_once(CHANNELS, &body, partner).await;
        assert!(again.is_replayed() && again.json()["channelId"] == channel, "{again:?}");
        let mut renamed = body.clone();
        renamed["name"] = json!("z");
        let reused = world.operator().post_once(CHANNELS, &renamed, partner).await;
        assert_eq!((reused.status, reused.problem().as_str()), (422, "idempotency-key-reused"));
        let path = format!("{CHANNELS}/{channel}");
        let tested = world.operator().post(&format!("{path}/test"), &json!({})).await.json();
        assert_eq!(tested["ok"], false, "{tested}");
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "FAILED", "{run}");
        assert!(
            text(&run, "error").starts_with("the marketplace rejects the credentials: 40"),
            "{run}"
        );
        world.advance(Duration::from_hours(1));
        let patched = world
            .operator()
            .patch(&path, &json!({ "credentials": good, "name": "y" }))
            .await
            .json();
        assert_ne!(patched["credentialsSince"], patched["createdAt"]);
        assert_eq!(collect(&world, &channel).await["status"], "DONE");
        let other = json!({ "credentials": world.partner(partner).credentials["shops"][1] });
        assert_eq!(world.operator().patch(&path, &other).await.status, 400);
        let twice = world
            .operator()
            .post(
                CHANNELS,
                &json!({ "name": "z", "type": partner.to_uppercase(), "credentials": good }),
            )
            .await;
        assert_eq!(twice.problem(), "channel-exists", "{twice:?}");
        assert_eq!(world.operator().delete(&path).await.status, 204);
        assert_eq!(world.operator().get(&path).await.status, 404);
        register(&world, partner, 0).await;
    }
}

#[tokio::test]
async fn an_invalid_channel_is_refused_with_its_field_and_without_its_secret() {
    let world = World::new().await;
    let coupang = |secret: &str| json!({ "vendorId": "A1", "accessKey": "a", "secretKey": secret });
    for (body, field) in [
        (json!({ "name": "", "type": "MOCK" }), "name"),
        (json!({ "name": "x", "type": "EBAY" }), "type"),
        (json!({ "name": "x", "type": "MOCK", "intervalMinutes": 0 }), "intervalMinutes"),
        (json!({ "name": "x", "type": "MOCK", "intervalMinutes": 1_441 }), "intervalMinutes"),
        (json!({ "name": "x", "type": "COUPANG" }), "credentials"),
        (
            json!({ "name": "x", "type": "COUPANG", "credentials": ["A1", "a", "hidden"] }),
            "credentials",
        ),
        (
            json!({ "name": "x", "type": "COUPANG", "credentials": coupang("two words hidden") }),
            "credentials",
        ),
        (
            json!({ "name": "x", "type": "COUPANG", "credentials": coupang(&"hidden".repeat(1_000)) }),
            "credentials",
        ),
        (
            json!({ "name": "x", "type": "SMARTSTORE", "credentials": { "clientId": "c", "clientSecret": "hidden" } }),
            "credentials",
        ),
    ] {
        let reply = world.operator().post(CHANNELS, &body).await;
        assert_eq!(
            (reply.status, &reply.json()["errors"][0]["field"]),
            (400, &json!(field)),
            "{reply:?}"
        );
        assert!(!reply.body.contains("hidden"), "{reply:?}");
    }
    for path in ["", "/runs"] {
        assert_eq!(world.operator().get(&format!("{CHANNELS}/chn_none{path}")).await.status, 404);
    }
    assert_eq!(world.operator().get("/api/v1/admin/products?channelId=chn_none").await.status, 404);
    assert_eq!(world.operator().get("/api/v1/admin/orders?status=LOST").await.status, 400);
    let update = crate::support::external_orders::update_body(1, "PAID");
    let channel = register(&world, "coupang", 0).await;
    let partner = world.partner_with("mall", &format!("orders.collect:{channel}"));
    assert_eq!(
        partner.put(&format!("/integrations/orders/{channel}/7"), &update).await.status,
        400
    );
}
