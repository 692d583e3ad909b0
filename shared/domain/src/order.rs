//! Orders: what is asked for (a [`Basket`]), what was agreed (an [`Order`]), and who did what to it and when.

use crate::{
    CampaignId, CouponId, CustomerId, EntryId, OrderId, ProductId, RiderId, StoreId, Timestamp, Won,
    money::AmountTooLarge,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The most products in one order. A hot product may draw on several stock items, and a cart order deletes its lines in
/// the same transaction: with 30 products, DynamoDB's 100 writes suffice.
pub const MAX_PRODUCTS: usize = 30;

/// Units of one product in one order: 1 to 9,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(u32);

impl Quantity {
    /// The most units of one product in one order.
    pub const MAX: i64 = 9_999;

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The number is not a quantity that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is 1 to {}", Quantity::MAX)]
pub struct InvalidQuantity;

impl TryFrom<i64> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(units: i64) -> Result<Self, InvalidQuantity> {
        let in_range = (1..=Self::MAX).contains(&units);
        u32::try_from(units).ok().filter(|_| in_range).map(Self).ok_or(InvalidQuantity)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        quantity.0.into()
    }
}

/// What a customer asks for: each product once, in the order in which it was first named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket(Vec<Wish>);

/// One product of a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which product.
    pub product_id: ProductId,
    /// How many units, over all lines that named it.
    pub quantity: Quantity,
    /// The price that the customer saw; another one must not be charged.
    pub expected_price: Option<Won>,
}

/// Why lines do not make a basket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBasket {
    /// There are no lines.
    #[error("an order needs at least one product")]
    Empty,
    /// There are more than [`MAX_PRODUCTS`] different products.
    #[error("an order has at most {MAX_PRODUCTS} products")]
    TooManyProducts,
    /// A line's quantity, or a product's sum over all lines, is out of range.
    #[error("the quantity of product {0} is not 1 to {max}", max = Quantity::MAX)]
    Quantity(ProductId),
    /// Two lines of one product state different prices.
    #[error("the lines of product {0} state different prices")]
    ContradictoryPrices(ProductId),
}

impl Basket {
    /// Sums the lines of each product; every limit counts after that.
    pub fn of(lines: impl IntoIterator<Item = (ProductId, i64, Option<Won>)>) -> Result<Self, InvalidBasket> {
        let mut sums: Vec<(ProductId, i64, Option<Won>)> = Vec::new();
        for (product, units, price) in lines {
            if units < 1 {
                return Err(InvalidBasket::Quantity(product));
            }
            match sums.iter_mut().find(|(known, ..)| *known == product) {
                None => sums.push((product, units, price)),
                Some((_, _, Some(stated))) if price.is_some_and(|price| price != *stated) => {
                    return Err(InvalidBasket::ContradictoryPrices(product));
                }
                Some((_, sum, stated)) => {
                    *sum = sum.saturating_add(units);
                    *stated = stated.or(price);
                }
            }
        }
        if sums.is_empty() {
            return Err(InvalidBasket::Empty);
        }
        if sums.len() > MAX_PRODUCTS {
            return Err(InvalidBasket::TooManyProducts);
        }
        let wish = |(product_id, units, expected_price): (ProductId, i64, _)| match Quantity::try_from(units) {
            Ok(quantity) => Ok(Wish { product_id, quantity, expected_price }),
            Err(InvalidQuantity) => Err(InvalidBasket::Quantity(product_id)),
        };
        sums.into_iter().map(wish).collect::<Result<_, _>>().map(Self)
    }

    /// What is asked for.
    pub fn wishes(&self) -> &[Wish] {
        &self.0
    }
}

/// One product of an order, at the price that was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Which product.
    pub product_id: ProductId,
    /// How many units.
    pub quantity: Quantity,
    /// The price of one unit when the order was placed.
    pub unit_price: Won,
    /// The price of all units.
    pub total_price: Won,
}

/// Where an order stands. One lifecycle for every kind of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Stock is held and payment is due (재고 확보).
    StockAllocated,
    /// Paid (주문완료).
    Paid,
    /// The store took it (수락).
    Accepted,
    /// The store is cooking (요리시작).
    Cooking,
    /// Ready for a rider (요리완료).
    Cooked,
    /// A rider has it (픽업).
    PickedUp,
    /// A carrier has it (발송).
    Shipped,
    /// The customer has it (배송확인).
    Completed,
    /// The customer called it off before cooking (취소).
    Cancelled,
    /// The store refused it (거절).
    Rejected,
    /// It was not paid in time (만료).
    Expired,
}

impl Status {
    /// Whether what was sold came back: the order no longer counts as a sale.
    pub fn returns_stock(self) -> bool {
        match self {
            Self::Cancelled | Self::Rejected | Self::Expired => true,
            Self::StockAllocated
            | Self::Paid
            | Self::Accepted
            | Self::Cooking
            | Self::Cooked
            | Self::PickedUp
            | Self::Shipped
            | Self::Completed => false,
        }
    }
}

/// Who did a step; written `customer:<id>`, `store:<id>`, `rider:<id>`, `operator` or `system`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The customer whose order it is.
    Customer(CustomerId),
    /// The store that makes it.
    Store(StoreId),
    /// The rider who brings it.
    Rider(RiderId),
    /// Somebody who runs the platform.
    Operator,
    /// The platform itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer:{id}"),
            Self::Store(id) => write!(f, "store:{id}"),
            Self::Rider(id) => write!(f, "rider:{id}"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The text does not name an actor.
#[derive(Debug, thiserror::Error)]
#[error("must be customer:<id>, store:<id>, rider:<id>, operator or system")]
pub struct InvalidActor;

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            None if text == "operator" => Ok(Self::Operator),
            None if text == "system" => Ok(Self::System),
            Some(("customer", id)) => id.parse().map(Self::Customer).map_err(|_| InvalidActor),
            Some(("store", id)) => id.parse().map(Self::Store).map_err(|_| InvalidActor),
            Some(("rider", id)) => id.parse().map(Self::Rider).map_err(|_| InvalidActor),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// One step of an order's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The status that the order had from then on.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
}

/// Where and to whom an order of a store is brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The street address as the customer wrote it, 1 to 500 characters.
    pub address: String,
    /// The latitude in decimal degrees.
    pub lat: Degrees,
    /// The longitude in decimal degrees.
    pub lng: Degrees,
    /// The customer's phone number: 1 to 20 digits, spaces, `+` and `-`.
    pub phone: String,
}

/// Why a delivery cannot be made as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDelivery {
    /// The address is empty or too long.
    #[error("an address is 1 to 500 characters")]
    Address,
    /// The latitude is beyond a pole.
    #[error("a latitude is -90 to 90 degrees")]
    Latitude,
    /// The phone number is not one.
    #[error("a phone number is 1 to 20 digits, spaces, '+' and '-'")]
    Phone,
}

impl Delivery {
    /// Checks what the types do not.
    pub fn check(&self) -> Result<(), InvalidDelivery> {
        if !(1..=500).contains(&self.address.chars().count()) {
            return Err(InvalidDelivery::Address);
        }
        if self.lat.0.abs() > 90 * Degrees::SCALE {
            return Err(InvalidDelivery::Latitude);
        }
        let dialled = self.phone.bytes().all(|byte| byte.is_ascii_digit() || b" +-".contains(&byte));
        if dialled && (1..=20).contains(&self.phone.len()) { Ok(()) } else { Err(InvalidDelivery::Phone) }
    }
}

/// A coordinate as a whole number of ten-millionths of a degree (about a centimetre), −180° to 180°.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Degrees(i64);

impl Degrees {
    const SCALE: i64 = 10_000_000;
    const DIGITS: usize = 7;

    /// Ten-millionths of a degree.
    pub const fn e7(self) -> i64 {
        self.0
    }
}

/// The text is not a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be decimal degrees from -180 to 180")]
pub struct InvalidDegrees;

impl FromStr for Degrees {
    type Err = InvalidDegrees;

    /// Reads decimal notation; digits beyond the seventh after the point are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidDegrees> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 3 {
            return Err(InvalidDegrees);
        }
        let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(Self::DIGITS).collect();
        let whole: i64 = whole.parse().map_err(|_| InvalidDegrees)?;
        let fraction: i64 = fraction.parse().map_err(|_| InvalidDegrees)?;
        let degrees = whole * Self::SCALE + fraction;
        if degrees <= 180 * Self::SCALE { Ok(Self(sign * degrees)) } else { Err(InvalidDegrees) }
    }
}

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, degrees) = (if self.0 < 0 { "-" } else { "" }, self.0.abs());
        write!(f, "{sign}{}.{:07}", degrees / Self::SCALE, degrees % Self::SCALE)
    }
}

#[expect(clippy::disallowed_types, reason = "JSON has coordinates as decimal fractions; they are whole numbers inside")]
mod degrees_wire {
    use super::{Degrees, Deserialize, Deserializer, Serialize, Serializer, de};

    impl Serialize for Degrees {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.to_string().parse::<f64>().map_err(serde::ser::Error::custom)?.serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Degrees {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            f64::deserialize(deserializer)?.to_string().parse().map_err(de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for Degrees {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Degrees".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": -180, "maximum": 180 })
    }
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From the customer's balance.
    Points,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Not yet paid.
    Pending,
    /// Paid.
    Paid,
    /// Declined.
    Failed,
    /// On its way back.
    Refunding,
    /// Given back.
    Refunded,
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// How.
    pub method: PaymentMethod,
    /// How much.
    pub amount: Won,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// 1 when placed, one more with each change.
    pub version: u32,
    /// Where it stands.
    pub status: Status,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The store whose products it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The campaign that brought the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// The lines' sum.
    pub original_amount: Won,
    /// What was taken off.
    pub discount_amount: Won,
    /// What is paid: original less discount.
    pub total_amount: Won,
    /// How it is paid.
    pub payment: Payment,
    /// The ledger entry that paid it.
    pub ledger_entry: EntryId,
    /// Where it goes, for an order of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Every step so far, the first first.
    pub timeline: Vec<Step>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a customer asks for, with everything that makes two requests mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// Whose order it is to be.
    pub customer_id: CustomerId,
    /// What is asked for.
    pub basket: Basket,
    /// The coupon that is to be used.
    pub coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    pub campaign_id: Option<CampaignId>,
    /// Where it goes.
    pub delivery: Option<Delivery>,
}

impl OrderRequest {
    /// A hash of what is asked for, whatever the order of its lines; the price a customer expects is a safeguard and
    /// not part of the meaning.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut wishes: Vec<_> = self.basket.wishes().iter().map(|wish| (&wish.product_id, wish.quantity)).collect();
        wishes.sort_unstable();
        let Self { customer_id, basket: _, coupon_id, campaign_id, delivery } = self;
        let meaning = format!("{customer_id:?} {wishes:?} {coupon_id:?} {campaign_id:?} {delivery:?}");
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(meaning)[..16]);
        format!("{:032x}", u128::from_be_bytes(digest))
    }

    /// The order that this becomes when it is paid with points at once, at `unit_prices` (one for each wish).
    pub fn paid_with_points(
        self,
        order_id: OrderId,
        ledger_entry: EntryId,
        unit_prices: &[Won],
        store_id: Option<StoreId>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Order, AmountTooLarge> {
        let line = |(wish, unit_price): (&Wish, &Won)| {
            let total_price = unit_price.times(wish.quantity.get())?;
            Ok(Line {
                product_id: wish.product_id.clone(),
                quantity: wish.quantity,
                unit_price: *unit_price,
                total_price,
            })
        };
        let lines: Vec<Line> = self.basket.wishes().iter().zip(unit_prices).map(line).collect::<Result<_, _>>()?;
        let original_amount = lines.iter().try_fold(Won::ZERO, |sum, line| sum.plus(line.total_price))?;
        Ok(Order {
            order_id,
            version: 1,
            status: Status::Paid,
            customer_id: self.customer_id,
            store_id,
            campaign_id: self.campaign_id,
            lines,
            original_amount,
            discount_amount: Won::ZERO,
            total_amount: original_amount,
            payment: Payment {
                method: PaymentMethod::Points,
                amount: original_amount,
                status: PaymentStatus::Paid,
                paid_at: Some(now),
            },
            ledger_entry,
            delivery: self.delivery,
            timeline: vec![Step { status: Status::Paid, at: now, by }],
            placed_at: now,
            updated_at: now,
        })
    }
}

impl Order {
    /// The order as it was when it was placed, whatever happened since: what its first answer said.
    pub fn as_placed(mut self) -> Self {
        self.timeline.truncate(1);
        self.version = 1;
        self.updated_at = self.placed_at;
        if let Some(first) = self.timeline.first() {
            self.status = first.status;
        }
        if self.status == Status::Paid {
            self.payment.status = PaymentStatus::Paid;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: &str) -> ProductId {
        ProductId::parse(id).unwrap()
    }

    fn won(amount: i64) -> Won {
        Won::new(amount).unwrap()
    }

    #[test]
    fn the_lines_of_one_product_are_summed_before_any_limit() {
        let basket = Basket::of([
            (product("b"), 2, None),
            (product("a"), 1, Some(won(5))),
            (product("b"), 3, Some(won(7))),
            (product("a"), 1, None),
        ]);
        let wishes: Vec<_> = basket
            .unwrap()
            .0
            .into_iter()
            .map(|wish| (wish.product_id, wish.quantity.get(), wish.expected_price))
            .collect();
        assert_eq!(wishes, [(product("b"), 5, Some(won(7))), (product("a"), 2, Some(won(5)))]);
        let many_lines = (0..100).map(|_| (product("a"), 1, None));
        assert!(Basket::of(many_lines).is_ok());
    }

    #[test]
    fn a_basket_is_neither_empty_nor_boundless() {
        assert_eq!(Basket::of([]), Err(InvalidBasket::Empty));
        let products = |count: usize| Basket::of((0..count).map(|n| (product(&format!("p{n}")), 1, None)));
        assert!(products(MAX_PRODUCTS).is_ok());
        assert_eq!(products(MAX_PRODUCTS + 1), Err(InvalidBasket::TooManyProducts));
        for units in [0, -1, i64::MIN, Quantity::MAX + 1, i64::MAX] {
            let basket = Basket::of([(product("a"), units, None)]);
            assert_eq!(basket, Err(InvalidBasket::Quantity(product("a"))), "{units}");
        }
        let over = Basket::of([(product("a"), Quantity::MAX, None), (product("a"), 1, None)]);
        assert_eq!(over, Err(InvalidBasket::Quantity(product("a"))));
        let huge = Basket::of([(product("a"), i64::MAX, None), (product("a"), i64::MAX, None)]);
        assert_eq!(huge, Err(InvalidBasket::Quantity(product("a"))));
        let two_prices = Basket::of([(product("a"), 1, Some(won(1))), (product("a"), 1, Some(won(2)))]);
        assert_eq!(two_prices, Err(InvalidBasket::ContradictoryPrices(product("a"))));
    }

    #[test]
    fn the_fingerprint_tells_another_meaning_but_not_another_order_of_lines() {
        let request = |lines: &[(&str, i64)], campaign: Option<&str>| OrderRequest {
            customer_id: CustomerId::parse("c").unwrap(),
            basket: Basket::of(lines.iter().map(|(id, units)| (product(id), *units, None))).unwrap(),
            coupon_id: None,
            campaign_id: campaign.map(|id| CampaignId::parse(id).unwrap()),
            delivery: None,
        };
        let first = request(&[("a", 1), ("b", 2)], None).fingerprint();
        assert_eq!(first, request(&[("b", 1), ("a", 1), ("b", 1)], None).fingerprint());
        assert_ne!(first, request(&[("a", 2), ("b", 1)], None).fingerprint());
        assert_ne!(first, request(&[("a", 1), ("b", 2)], Some("spring")).fingerprint());
    }

    #[test]
    fn coordinates_are_kept_to_the_centimetre_without_floats() {
        for (text, e7) in
            [("37.5665", 375_665_000), ("-0.0000001", -1), ("180", 1_800_000_000), ("126.97800009", 1_269_780_000)]
        {
            assert_eq!(text.parse::<Degrees>().unwrap().e7(), e7);
        }
        assert_eq!("-0.5".parse::<Degrees>().unwrap().to_string(), "-0.5000000");
        for bad in ["", "181", "-180.1", "NaN", "1e2", ".5", "5.", "+1", "1.2.3", "9999"] {
            assert_eq!(bad.parse::<Degrees>(), Err(InvalidDegrees), "{bad}");
        }
    }
}
