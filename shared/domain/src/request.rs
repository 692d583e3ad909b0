//! Order requests: what a customer asks for, and the order that it becomes.

use crate::{
    CampaignId, CouponId, CustomerId, EntryId, OrderId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::{Basket, BasketLine},
    delivery::Delivery,
    money::AmountTooLarge,
    order::{Change, Line, Order, State, Step},
    payment::{PAYMENT_WINDOW, Payment, PaymentKey, PaymentMethod, PaymentStatus},
};

/// What a customer asks for, with everything that makes two requests mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// Whose order it is to be.
    pub customer_id: CustomerId,
    /// What is asked for.
    pub basket: Basket,
    /// Where the basket comes from.
    pub origin: Origin,
    /// The coupon that is to be used.
    pub coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    pub campaign_id: Option<CampaignId>,
    /// How it is paid.
    pub payment: PaymentChoice,
    /// Where it goes.
    pub delivery: Option<Delivery>,
}

/// Where a basket comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The request names the products.
    Request,
    /// The customer's cart has them: what the request means does not depend on what is in it.
    Cart,
}

/// How a customer pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentChoice {
    /// From the balance.
    Points,
    /// By card: what the customer authorised at the gateway; none if the order is to be paid later.
    Card(Option<PaymentKey>),
}

impl PaymentChoice {
    /// The method alone.
    pub const fn method(&self) -> PaymentMethod {
        match self {
            Self::Points => PaymentMethod::Points,
            Self::Card(_) => PaymentMethod::Card,
        }
    }
}

/// On which terms an order is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The price of one unit, for each wish.
    pub unit_prices: Vec<Won>,
    /// The store, if the products are a store's.
    pub store_id: Option<StoreId>,
    /// What the coupon takes off.
    pub discount: Won,
}

impl OrderRequest {
    /// What the customer authorised at the gateway, if the card is to be charged at once.
    pub const fn payment_key(&self) -> Option<&PaymentKey> {
        match &self.payment {
            PaymentChoice::Card(key) => key.as_ref(),
            PaymentChoice::Points => None,
        }
    }

    /// Whether the order may hold stock without being paid.
    pub const fn may_reserve(&self) -> bool {
        matches!(self.payment, PaymentChoice::Card(_))
    }

    /// A hash of what is asked for, whatever the order of its lines; the price a customer expects is a safeguard and
    /// not part of the meaning.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let Self { customer_id, basket, origin, coupon_id, campaign_id, payment, delivery } = self;
        let mut wishes: Vec<_> = match origin {
            Origin::Request => {
                basket.wishes().iter().map(|wish| format!("{}*{}", wish.product_id, wish.quantity.get())).collect()
            }
            Origin::Cart => vec!["cart".to_owned()],
        };
        wishes.sort_unstable();
        let id = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let (coupon, campaign) =
            (id(coupon_id.as_ref().map(CouponId::as_str)), id(campaign_id.as_ref().map(CampaignId::as_str)));
        let delivery = delivery.as_ref().map(Delivery::meaning).unwrap_or_default();
        // Kept as long as the order: these forms stay, and another one gets another number. No id and no key has a space,
        // and the delivery, which may have anything, comes last.
        let meaning = match payment {
            PaymentChoice::Points => format!("3 {customer_id} {} {coupon} {campaign} {delivery}", wishes.join(",")),
            PaymentChoice::Card(key) => {
                let key = key.as_ref().map(PaymentKey::as_str).unwrap_or_default();
                format!("4 {customer_id} {} {coupon} {campaign} {key} {delivery}", wishes.join(","))
            }
        };
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(meaning)[..16]);
        format!("{:032x}", u128::from_be_bytes(digest))
    }

    /// What everything costs at these prices, before the discount.
    pub fn original_amount(&self, unit_prices: &[Won]) -> Result<Won, AmountTooLarge> {
        let totals = self.basket.wishes().iter().zip(unit_prices).map(|(wish, price)| price.times(wish.quantity.get()));
        totals.into_iter().try_fold(Won::ZERO, |sum, total| sum.plus(total?))
    }

    /// The order that this becomes: paid at once with points (or if there is nothing to pay), else with its stock held
    /// until it is paid. `ledger_entry` is the entry that pays it with points.
    pub fn placed(
        self,
        order_id: OrderId,
        ledger_entry: EntryId,
        terms: &Terms,
        by: Actor,
        now: Timestamp,
    ) -> Result<Order, AmountTooLarge> {
        let line = |(wish, unit_price): (&BasketLine, &Won)| {
            let total_price = unit_price.times(wish.quantity.get())?;
            Ok(Line {
                product_id: wish.product_id.clone(),
                quantity: wish.quantity,
                unit_price: *unit_price,
                total_price,
            })
        };
        let lines: Vec<Line> =
            self.basket.wishes().iter().zip(&terms.unit_prices).map(line).collect::<Result<_, _>>()?;
        let original_amount = self.original_amount(&terms.unit_prices)?;
        let total_amount = original_amount.less(terms.discount);
        let mut payment = Payment::due(self.payment.method(), total_amount);
        let is_paid = payment.method == PaymentMethod::Points || total_amount == Won::ZERO;
        if is_paid {
            (payment.status, payment.paid_at) = (PaymentStatus::Paid, Some(now));
            payment.ledger_entry = Some(ledger_entry).filter(|_| payment.method == PaymentMethod::Points);
        }
        let state = if is_paid { State::Paid } else { State::StockAllocated };
        Ok(Order {
            order_id,
            version: 1,
            customer_id: self.customer_id,
            store_id: terms.store_id.clone(),
            campaign_id: self.campaign_id,
            lines,
            original_amount,
            discount_amount: terms.discount,
            total_amount,
            coupon_id: self.coupon_id,
            payment,
            pay_by: (!is_paid).then(|| now.plus(PAYMENT_WINDOW)),
            delivery: self.delivery,
            timeline: vec![Step { status: state.status(), at: now, by }],
            last_change: Change::Status(state.status()),
            state,
            placed_at: now,
            updated_at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProductId;

    fn product(id: &str) -> ProductId {
        ProductId::parse(id).unwrap()
    }

    #[test]
    fn the_fingerprint_tells_another_meaning_but_not_another_order_of_lines() {
        let request = |lines: &[(&str, i64)], campaign: Option<&str>, payment: PaymentChoice| OrderRequest {
            customer_id: CustomerId::parse("c").unwrap(),
            basket: Basket::of(lines.iter().map(|(id, units)| (product(id), *units, None))).unwrap(),
            origin: Origin::Request,
            coupon_id: None,
            campaign_id: campaign.map(|id| CampaignId::parse(id).unwrap()),
            payment,
            delivery: None,
        };
        let card = |key: &str| PaymentChoice::Card(Some(key.parse().unwrap()));
        let points = || PaymentChoice::Points;
        let first = request(&[("a", 1), ("b", 2)], None, points()).fingerprint();
        assert_eq!(first, request(&[("b", 1), ("a", 1), ("b", 1)], None, points()).fingerprint());
        let others = [
            request(&[("a", 2), ("b", 1)], None, points()),
            request(&[("a", 1), ("b", 2)], Some("spring"), points()),
            request(&[("a", 1), ("b", 2)], None, card("k1")),
            request(&[("a", 1), ("b", 2)], None, card("k2")),
            request(&[("a", 1), ("b", 2)], None, PaymentChoice::Card(None)),
            OrderRequest { origin: Origin::Cart, ..request(&[("a", 1), ("b", 2)], None, points()) },
        ];
        let mut seen = vec![first];
        for other in others {
            assert!(!seen.contains(&other.fingerprint()), "{other:?}");
            seen.push(other.fingerprint());
        }
        let of_cart = |lines: &[(&str, i64)]| OrderRequest { origin: Origin::Cart, ..request(lines, None, points()) };
        assert_eq!(of_cart(&[("a", 1)]).fingerprint(), of_cart(&[("b", 5)]).fingerprint());
    }
}
