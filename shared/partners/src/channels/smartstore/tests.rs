use super::*;
use domain::order::Status;

#[test]
fn a_signature_matches_the_official_sample() {
    let official = client_secret_sign(
        "aaaabbbbcccc",
        "$2a$10$abcdefghijklmnopqrstuv",
        Timestamp::from_millis(1_643_961_623_299),
    );
    let expected =
        "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy";
    assert_eq!(official.as_deref(), Some(expected));
    let computed = client_secret_sign(
        "testclientid01",
        "$2a$04$N9qo8uLOickgx2ZMRZoMye",
        Timestamp::from_millis(1_767_582_245_000),
    );
    let expected =
        "JDJhJDA0JE45cW84dUxPaWNrZ3gyWk1SWm9NeWVWTFVaTklyZC8uekFvSmtVdXB5S09VNFdGbWhmczh1";
    assert_eq!(computed.as_deref(), Some(expected));
    assert_eq!(client_secret_sign("id", "no salt", Timestamp::from_millis(0)), None);
}

#[test]
fn an_empty_token_bucket_pauses_the_account() {
    let remaining = |calls: &'static str| {
        let header = (reqwest::header::HeaderName::from_static(REMAINING), calls.parse().unwrap());
        pause_after(&HeaderMap::from_iter([header]))
    };
    assert_eq!(
        (remaining("0"), remaining("3"), pause_after(&HeaderMap::new())),
        (REFILL_PAUSE, Duration::ZERO, Duration::ZERO)
    );
}

#[test]
fn only_a_pending_cancellation_holds_units_of_the_remaining_quantity() {
    let detail = |claim: Value| {
        let detail = json!({
            "order": { "orderId": "o-1", "orderDate": "2026-01-05T12:00:00.000+09:00", "paymentDate": "2026-01-05T12:01:00.000+09:00", "ordererNo": "77" },
            "productOrder": { "productOrderId": "po-1", "productOrderStatus": "PAYED", "placeOrderStatus": "OK", "originalProductId": "9", "productName": "펜",
                "productOption": "파랑", "optionPrice": 100, "quantity": 5, "initialQuantity": 5, "remainQuantity": 3, "unitPrice": 900, "remainPaymentAmount": 2700,
                "productDiscountAmount": 500, "inflowPath": "spring" },
            "currentClaim": claim,
        });
        serde_json::from_value::<Detail>(detail).unwrap().into_update().unwrap()
    };
    let update = detail(
        json!({ "cancel": { "claimId": "c1", "claimStatus": "CANCEL_REQUEST", "requestQuantity": 1 } }),
    );
    let item = &update.items["po-1"]["po-1"];
    assert_eq!(
        (item.ordered, item.cancelled, item.unit_price.get(), item.discount.get()),
        (5, 2, 1_000, 300)
    );
    assert_eq!((item.status, item.name.as_str()), (Some(Status::Accepted), "펜 파랑"));
    assert_eq!(
        (item.held, update.claims.len()),
        (1, 0),
        "the remaining quantity already excludes completed claims"
    );
    for other in ["CANCEL_REJECT", "CANCEL_DONE"] {
        let update = detail(
            json!({ "cancel": { "claimId": "c1", "claimStatus": other, "requestQuantity": 1 } }),
        );
        assert_eq!(update.items["po-1"]["po-1"].held, 0, "{other}");
    }
    assert_eq!(
        detail(json!({ "return": { "claimId": "c1", "claimStatus": "RETURN_REQUEST" } })).items
            ["po-1"]["po-1"]
            .held,
        0
    );
}
