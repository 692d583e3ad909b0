//! Pricing: the terms on which an order can be placed, or why it cannot.
//!
//! This is where a price is checked. The terms are a decision on what was read; the placement's
//! transaction asserts every part of them again.

use domain::{
    Refusal, Timestamp, Won,
    basket::BasketLine,
    coupon::Unusable,
    product::Price,
    request::{OrderRequest, PaymentChoice, Terms},
};
use store::{orders::PlacementSnapshot, products::Stock};

/// The terms for a request, decided on what was read before it. Where several things are wrong, the
/// first in this order is reported: products, store, delivery, price, stock, amount, coupon,
/// balance.
pub(crate) fn terms(
    request: &OrderRequest,
    before: &PlacementSnapshot,
    now: Timestamp,
) -> Result<Terms, Refusal> {
    let lines = request.basket.lines();
    let mut stocks: Vec<&Stock> = Vec::with_capacity(lines.len());
    for BasketLine { product_id, .. } in lines {
        let stock = before.stocks.get(product_id);
        stocks
            .push(stock.ok_or_else(|| Refusal::InvalidProduct { product_id: product_id.clone() })?);
    }
    let offered = || lines.iter().zip(&stocks);
    if let Some((line, _)) = offered().find(|(_, stock)| !stock.active) {
        return Err(Refusal::NotForSale { product_id: line.product_id.clone() });
    }
    let store_id = stocks.first().and_then(|stock| stock.store_id.clone());
    if stocks.iter().any(|stock| stock.store_id != store_id) {
        return Err(Refusal::MixedStores);
    }
    if store_id.is_some() {
        let delivery = request.delivery.as_ref();
        let delivery = delivery
            .ok_or_else(|| Refusal::field("delivery", "is required for products of a store"))?;
        if delivery.position().is_none() {
            return Err(Refusal::field("delivery.lat", "is required for products of a store"));
        }
    }
    for (line, stock) in offered() {
        let price = stock.price.won();
        if let Some(expected_price) = line.expected_price.filter(|expected| *expected != price) {
            return Err(Refusal::PriceChanged {
                product_id: line.product_id.clone(),
                expected_price,
                price,
            });
        }
    }
    for (line, stock) in offered() {
        let (requested, available) = (i64::from(line.quantity), stock.quantity);
        if requested > available {
            return Err(Refusal::OutOfStock {
                product_id: line.product_id.clone(),
                requested,
                available,
            });
        }
    }
    let unit_prices: Vec<Won> = stocks.iter().map(|stock| Price::won(stock.price)).collect();
    let original = request.original_amount(&unit_prices).map_err(|_| Refusal::AmountTooLarge)?;
    let discount = discount(request, before, original, now)?;
    let required = original.less(discount);
    if request.payment == PaymentChoice::Points && required > before.balance {
        return Err(Refusal::InsufficientPoints { required, balance: before.balance });
    }
    Ok(Terms { unit_prices, store_id, discount })
}

/// The discount of the coupon that is to be used, if there is one.
fn discount(
    request: &OrderRequest,
    before: &PlacementSnapshot,
    original: Won,
    now: Timestamp,
) -> Result<Won, Refusal> {
    let Some(coupon_id) = &request.coupon_id else { return Ok(Won::ZERO) };
    let coupon = before.coupon.as_ref().ok_or(Unusable::Unknown);
    let discount = coupon.and_then(|coupon| coupon.discount(original, now));
    discount.map_err(|reason| Refusal::CouponUnusable { coupon_id: coupon_id.clone(), reason })
}
