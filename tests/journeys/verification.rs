//! Phone verification: messages go to verified numbers only, within a daily limit.

use crate::support::{
    kitchen::{chef, kitchen, place_order},
    notifications::{messages, notifications},
    pass_time, text,
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/customers/c1/phone-verification";

async fn set_phone(world: &World, phone: &str) -> Value {
    world
        .customer("c1")
        .put("/customers/c1", &json!({ "name": "민지", "phone": phone }))
        .await
        .json()
}

/// The codes that were sent, oldest first.
fn codes(world: &World) -> Vec<String> {
    let texts = messages(world).into_iter().map(|message| text(&message, "text"));
    let code = |text: String| text.split_once("인증번호 ").map(|(_, tail)| tail[..6].to_owned());
    texts.filter_map(code).collect()
}

async fn try_code(world: &World, code: &str) -> String {
    world.customer("c1").post(PATH, &json!({ "code": code })).await.problem()
}

#[tokio::test]
async fn a_number_that_is_not_verified_receives_nothing_but_a_code() {
    let world = kitchen().await;
    assert_eq!(set_phone(&world, "010-5555-6666").await["phoneVerified"], json!(false));
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!((notifications(&world, &id).await, messages(&world).len()), (vec![], 0));
    let requested = world.customer("c1").post(PATH, &json!({})).await;
    assert_eq!(
        (requested.status, &requested.json()["phoneVerified"]),
        (202, &json!(false)),
        "{requested:?}"
    );
    assert!(!requested.body.contains(&codes(&world)[0]), "the response does not contain the code");
    let verified = world.customer("c1").post(PATH, &json!({ "code": codes(&world)[0] })).await;
    assert_eq!((verified.status, &verified.json()["phoneVerified"]), (200, &json!(true)));
    assert_eq!(
        set_phone(&world, "+82 10 5555 6666").await["phoneVerified"],
        json!(true),
        "the same number"
    );
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!(notifications(&world, &id).await.len(), 1);
    assert_eq!(
        set_phone(&world, "010-7777-8888").await["phoneVerified"],
        json!(false),
        "another number"
    );
    let name = world.customer("c1").put("/customers/c1", &json!({ "name": "민지" })).await;
    assert_eq!((name.status, name.json().get("phone")), (200, None));
    assert_eq!(world.customer("c1").post(PATH, &json!({})).await.problem(), "no-phone");
    assert_eq!(world.customer("c2").post(PATH, &json!({})).await.status, 403);
}

#[tokio::test]
async fn a_code_is_valid_for_five_minutes_and_five_attempts_and_a_number_gets_five_a_day() {
    let world = kitchen().await;
    set_phone(&world, "010-5555-6666").await;
    world.customer("c1").post(PATH, &json!({})).await;
    let code = codes(&world)[0].clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(try_code(&world, wrong).await, "wrong-code");
    }
    assert_eq!(try_code(&world, &code).await, "wrong-code", "the attempts are exhausted");
    world.customer("c1").post(PATH, &json!({})).await;
    let second = codes(&world)[1].clone();
    if second != code {
        assert_eq!(try_code(&world, &code).await, "wrong-code", "only the latest code is valid");
    }
    world.advance(Duration::from_mins(6));
    assert_eq!(try_code(&world, &second).await, "wrong-code", "the code has expired");
    for _ in 0..3 {
        assert_eq!(world.customer("c1").post(PATH, &json!({})).await.status, 202);
    }
    assert_eq!(world.customer("c1").post(PATH, &json!({})).await.problem(), "too-many-codes");
    // The limit belongs to the number, whichever customer requests the code.
    let other = json!({ "name": "x", "phone": "01055556666" });
    world.customer("c2").put("/customers/c2", &other).await;
    let refused = world.customer("c2").post("/customers/c2/phone-verification", &json!({})).await;
    assert_eq!(refused.problem(), "too-many-codes");
    world.advance(Duration::from_hours(24));
    assert_eq!(world.customer("c1").post(PATH, &json!({})).await.status, 202);
    assert_eq!(try_code(&world, &codes(&world)[5]).await, "");
    let rows = world.dynamodb("Scan", json!({ "TableName": "CustomersTable" })).await.to_string();
    assert!(
        codes(&world).iter().all(|code| !rows.contains(&format!("\"{code}\""))),
        "no row holds a code in plain text"
    );
}

#[tokio::test]
async fn a_number_gets_at_most_thirty_messages_a_day() {
    let world = kitchen().await;
    world.charge("c1", 100_000).await;
    for _ in 0..40 {
        place_order(&world, &[("gimbap", 1)]).await;
    }
    world.settle().await;
    assert_eq!(messages(&world).len(), 30);
    world.advance(Duration::from_hours(24));
    place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!(messages(&world).len(), 31);
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0, "no message waits");
}

#[tokio::test]
async fn links_and_control_characters_are_removed_from_a_rejection_reason() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    let reason =
        "재료 소진\n환불은 https://evil.example/refund 또는 evil.example/x 로 +060-700-1234";
    let path = format!("/orders/{id}/reject");
    assert_eq!(chef(&world).post(&path, &json!({ "reason": reason })).await.status, 200);
    pass_time(&world, Duration::from_secs(1)).await;
    let rejected = messages(&world)
        .into_iter()
        .find(|one| one["kakaoOptions"]["templateId"] == json!("order-rejected"));
    let sent = rejected.unwrap().to_string();
    assert!(
        sent.contains("재료 소진") && !sent.contains("evil.example") && !sent.contains("\\n환불"),
        "{sent}"
    );
}
