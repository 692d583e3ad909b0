//! The secrets of webhooks: shown once, encrypted, rotated.

use crate::support::webhooks::{PATH, *};
use crate::support::{pass_time, shop, text};
use local::partners::Received;
use serde_json::json;
use standardwebhooks::Webhook;
use std::time::Duration;

#[tokio::test]
async fn after_repeated_rotations_all_secrets_sign_and_their_number_is_limited() {
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
        Webhook::new(secret)
            .unwrap()
            .sign(&request.headers["webhook-id"], at, request.body.as_bytes())
            .unwrap()
    };
    assert_eq!(
        request.headers["webhook-signature"],
        signing.iter().map(signed).collect::<Vec<_>>().join(" ")
    );
    world.advance(Duration::from_hours(25));
    assert_eq!(
        world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await.status,
        200
    );
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day() {
    let world = shop().await;
    let first = registered(&world, &["*"]).await;
    let rotated = world.operator().post(&format!("{PATH}/rotate-secret"), &json!({})).await.json();
    let second = text(&rotated, "secret");
    assert!(
        second != first
            && second.starts_with("whsec_")
            && rotated.get("previousSecretUntil").is_some()
    );
    let signed = |request: &Received, secret: &str| {
        let at = request.headers["webhook-timestamp"].parse().unwrap();
        Webhook::new(secret)
            .unwrap()
            .sign(&request.headers["webhook-id"], at, request.body.as_bytes())
            .unwrap()
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
    let unknown =
        world.operator().post("/api/v1/admin/webhooks/nobody/rotate-secret", &json!({})).await;
    assert_eq!(unknown.problem(), "not-found");
}

#[tokio::test]
async fn secrets_are_shown_once_and_encrypted_for_their_own_webhook() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let world = shop().await;
    let secret = registered(&world, &["*"]).await;
    place(&world).await;
    world.settle().await;
    let outputs = [
        world.operator().get(PATH).await.body,
        world.operator().get("/api/v1/admin/webhooks").await.body,
        world.operator().get(&format!("{PATH}/deliveries")).await.body,
        log.lines(),
    ];
    let rows = world.dynamodb("Scan", json!({ "TableName": "WebhooksTable" })).await;
    for text in outputs.iter().chain([&rows.to_string()]) {
        assert!(!text.contains(&secret) && !text.contains("whsec_"), "{text}");
    }
    // A secret that was encrypted for one webhook cannot be decrypted for another one.
    let row = rows["Items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["sk"]["S"] == json!("warehouse"))
        .unwrap()
        .clone();
    let mut stolen = row.clone();
    (stolen["sk"], stolen["name"]) = (json!({ "S": "thief" }), json!({ "S": "thief" }));
    world.dynamodb("PutItem", json!({ "TableName": "WebhooksTable", "Item": stolen })).await;
    world.partner("webhook-receiver").forget();
    place(&world).await;
    pass_time(&world, Duration::from_mins(1)).await;
    let ids: Vec<String> =
        received(&world).iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 1, "the webhook with the stolen secret gets nothing");
}
