//! Inputs of notifications: phone numbers, messages, template ids; and what the log must not
//! contain.

use crate::support::notifications::*;
use crate::support::{
    kitchen::{advance_to, kitchen, order_nearby, place_order},
    pass_time, text,
};
use edge::Signal;
use local::partners::Mode;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn only_korean_mobile_numbers_are_accepted() {
    let world = kitchen().await;
    for phone in ["+1 650 253 0000", "02-123-4567", "060-700-1234", "1588-1234"] {
        let about = json!({ "name": "Sam", "phone": phone });
        assert_eq!(
            world.operator().put("/customers/c1", &about).await.problem(),
            "malformed-request",
            "{phone}"
        );
    }
}

#[tokio::test]
async fn a_malformed_message_is_dead_lettered() {
    let world = kitchen().await;
    world.send_message("NotifyCustomerQueue", "no event, but a number: 010-1234-5678");
    world.settle().await;
    assert_eq!(world.messages("NotifyCustomerQueue").len(), 0);
    assert_eq!(world.messages("NotifyCustomerDeadLetters").len(), 1);
}

#[tokio::test]
async fn configured_template_ids_replace_the_default_ones() {
    let ids = ("AlimtalkTemplateIds", "order-accepted=KA01TP2, order-paid=KA01TP1");
    let world = kitchen_with_notifier("SOLAPI", Some(ids)).await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "COOKING").await;
    world.settle().await;
    let names: BTreeSet<String> = messages(&world)
        .iter()
        .map(|message| text(&message["kakaoOptions"], "templateId"))
        .collect();
    assert_eq!(names, ["KA01TP1", "KA01TP2", "order-cooking"].map(str::to_owned).into());
}

#[tokio::test]
async fn logs_contain_no_phone_numbers() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let world = kitchen().await;
    prefers(&world, true, true).await;
    for mode in [Mode::Decline, Mode::Error, Mode::Down, Mode::Ok] {
        world.partner("solapi").be(mode);
        let id = place_order(&world, &[("gimbap", 1)]).await;
        pass_time(&world, Duration::from_mins(1)).await;
        advance_to(&world, &id, "COMPLETED").await;
    }
    world.send_message("NotifyCustomerQueue", "010-1234-5678");
    for queue in ["NotifyCustomerQueue", "ProjectOrderViewsQueue", "RecordSalesQueue"] {
        world.send_message(
            queue,
            r#"{"data":{"delivery":{"phone":1012345678}},"specversion":1012345678}"#,
        );
    }
    let bad = json!({ "name": "x", "phone": "010-1234-5678 or so" });
    world.customer("c1").put("/customers/c1", &bad).await;
    world.customer("c1").post("/order", &order_nearby(&[("gimbap", 9_999)])).await;
    for _ in 0..4 {
        pass_time(&world, Duration::from_mins(6)).await;
    }
    let lines = log.lines();
    assert!(log.signals().contains(&Signal::NotificationRejected), "{lines}");
    assert!(lines.contains("a message will come again"), "{lines}");
    for number in ["1234-5678", "12345678", "9876-5432", "98765432"] {
        assert!(
            !lines.contains(number),
            "{}",
            lines.lines().find(|line| line.contains(number)).unwrap_or_default()
        );
    }
}
