//! Order requests, and the orders that they become.

use crate::{
    CampaignId, CouponId, CustomerId, EntryId, OrderId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::{Basket, BasketLine},
    delivery::Delivery,
    money::AmountTooLarge,
    order::{Change, Line, Order, Origin, State, Step},
    payment::{PAYMENT_WINDOW, Payment, PaymentKey, PaymentMethod, PaymentStatus},
};

/// A customer's request for an order, with every field that decides whether two requests are the
/// same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// The customer who orders.
    pub customer_id: CustomerId,
    /// The requested products.
    pub basket: Basket,
    /// The source of the basket.
    pub basket_source: BasketSource,
    /// The coupon to use.
    pub coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    pub campaign_id: Option<CampaignId>,
    /// How the order is paid.
    pub payment: PaymentChoice,
    /// The destination.
    pub delivery: Option<Delivery>,
}

/// The source of a basket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasketSource {
    /// The request names the products.
    Request,
    /// The customer's cart contains the products. The fingerprint does not depend on the content of
    /// the cart.
    Cart,
}

/// How a customer pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentChoice {
    /// From the balance of points.
    Points,
    /// By card, with the payment that the customer authorised at the gateway. `None` if the order
    /// is to be paid later.
    Card(Option<PaymentKey>),
}

impl PaymentChoice {
    /// The method, without the payment key.
    pub const fn method(&self) -> PaymentMethod {
        match self {
            Self::Points => PaymentMethod::Points,
            Self::Card(_) => PaymentMethod::Card,
        }
    }
}

/// The terms of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The price of one unit, for each line of the basket.
    pub unit_prices: Vec<Won>,
    /// The store, if the products belong to one.
    pub store_id: Option<StoreId>,
    /// The discount of the coupon.
    pub discount: Won,
}

impl OrderRequest {
    /// The payment that the customer authorised at the gateway, if the card is to be charged
    /// immediately.
    pub const fn payment_key(&self) -> Option<&PaymentKey> {
        match &self.payment {
            PaymentChoice::Card(key) => key.as_ref(),
            PaymentChoice::Points => None,
        }
    }

    /// Whether the order may reserve stock before it is paid.
    pub const fn may_reserve(&self) -> bool {
        matches!(self.payment, PaymentChoice::Card(_))
    }

    /// A hash of what the request means. It does not depend on the order of the lines, nor on the
    /// expected prices, which are only a safeguard.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let Self { customer_id, basket, basket_source, coupon_id, campaign_id, payment, delivery } =
            self;
        let mut lines: Vec<_> = match basket_source {
            BasketSource::Request => basket
                .lines()
                .iter()
                .map(|line| format!("{}*{}", line.product_id, line.quantity.get()))
                .collect(),
            BasketSource::Cart => vec!["cart".to_owned()],
        };
        lines.sort_unstable();
        let id = |id: Option<&str>| id.unwrap_or_default().to_owned();
        let (coupon, campaign) = (
            id(coupon_id.as_ref().map(CouponId::as_str)),
            id(campaign_id.as_ref().map(CampaignId::as_str)),
        );
        let delivery = delivery.as_ref().map(Delivery::meaning).unwrap_or_default();
        // Fingerprints are stored as long as their orders. These formats must not change, and a new
        // format needs a new number. No id and no key contains a space. The delivery, which may
        // contain anything, comes last.
        let meaning = match payment {
            PaymentChoice::Points => {
                format!("3 {customer_id} {} {coupon} {campaign} {delivery}", lines.join(","))
            }
            PaymentChoice::Card(key) => {
                let key = key.as_ref().map(PaymentKey::as_str).unwrap_or_default();
                format!("4 {customer_id} {} {coupon} {campaign} {key} {delivery}", lines.join(","))
            }
        };
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(meaning)[..16]);
        format!("{:032x}", u128::from_be_bytes(digest))
    }

    /// The price of the whole basket at these unit prices, before the discount.
    pub fn original_amount(&self, unit_prices: &[Won]) -> Result<Won, AmountTooLarge> {
        let totals = self
            .basket
            .lines()
            .iter()
            .zip(unit_prices)
            .map(|(line, price)| price.times(line.quantity.get()));
        totals.into_iter().try_fold(Won::ZERO, |sum, total| sum.plus(total?))
    }

    /// The order that the request becomes. It is paid immediately if the method is points or if
    /// there is nothing to pay. Otherwise its stock is reserved until it is paid. `ledger_entry` is
    /// the entry that pays it with points.
    pub fn placed(
        self,
        order_id: OrderId,
        ledger_entry: EntryId,
        terms: &Terms,
        by: Actor,
        now: Timestamp,
    ) -> Result<Order, AmountTooLarge> {
        let line = |(requested, unit_price): (&BasketLine, &Won)| {
            let total_price = unit_price.times(requested.quantity.get())?;
            Ok(Line {
                product_id: requested.product_id.clone(),
                quantity: requested.quantity,
                unit_price: *unit_price,
                total_price,
                channel: None,
            })
        };
        let lines: Vec<Line> = self
            .basket
            .lines()
            .iter()
            .zip(&terms.unit_prices)
            .map(line)
            .collect::<Result<_, _>>()?;
        let original_amount = self.original_amount(&terms.unit_prices)?;
        let total_amount = original_amount.less(terms.discount);
        let mut payment = Payment::due(self.payment.method(), total_amount);
        let is_paid = payment.method == PaymentMethod::Points || total_amount == Won::ZERO;
        if is_paid {
            (payment.status, payment.paid_at) = (PaymentStatus::Paid, Some(now));
            payment.ledger_entry =
                Some(ledger_entry).filter(|_| payment.method == PaymentMethod::Points);
        }
        let state = if is_paid { State::Paid } else { State::StockAllocated };
        Ok(Order {
            order_id,
            version: 1,
            origin: Origin::Own(state.clone()),
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
    fn the_fingerprint_depends_on_the_meaning_and_not_on_the_order_of_lines() {
        let request =
            |lines: &[(&str, i64)], campaign: Option<&str>, payment: PaymentChoice| OrderRequest {
                customer_id: CustomerId::parse("c").unwrap(),
                basket: Basket::of(lines.iter().map(|(id, units)| (product(id), *units, None)))
                    .unwrap(),
                basket_source: BasketSource::Request,
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
            OrderRequest {
                basket_source: BasketSource::Cart,
                ..request(&[("a", 1), ("b", 2)], None, points())
            },
        ];
        let mut seen = vec![first];
        for other in others {
            assert!(!seen.contains(&other.fingerprint()), "{other:?}");
            seen.push(other.fingerprint());
        }
        let of_cart = |lines: &[(&str, i64)]| OrderRequest {
            basket_source: BasketSource::Cart,
            ..request(lines, None, points())
        };
        assert_eq!(of_cart(&[("a", 1)]).fingerprint(), of_cart(&[("b", 5)]).fingerprint());
    }
}
