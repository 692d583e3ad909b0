//! Baskets: the requested products and quantities, before prices are agreed.

use crate::{ProductId, Refusal, Won};
use serde::{Deserialize, Serialize};

/// The maximum number of products in one order. A hot product may take units from several stock
/// items, and a cart order deletes its cart lines in the same transaction. With 30 products,
/// DynamoDB's limit of 100 writes is enough.
pub const MAX_PRODUCTS: usize = 30;

/// Units of one product in one order: 1 to 9,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(u32);

impl Quantity {
    /// The maximum number of units of one product in one order.
    pub const MAX: i64 = 9_999;

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The number is not a valid quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity must be between 1 and {}", Quantity::MAX)]
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

/// The requested products. Each product occurs once, at the position of its first line in the
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket(Vec<BasketLine>);

/// One product of a basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasketLine {
    /// The requested product.
    pub product_id: ProductId,
    /// Units of the product, summed over all lines of the request that name it.
    pub quantity: Quantity,
    /// The price that the customer saw. The customer must not be charged a different price.
    pub expected_price: Option<Won>,
}

impl Basket {
    /// Sums the lines of each product, then checks the limits. Refuses a basket with no lines, too
    /// many products, an invalid quantity, or two different prices of one product.
    pub fn of(
        lines: impl IntoIterator<Item = (ProductId, i64, Option<Won>)>,
    ) -> Result<Self, Refusal> {
        let mut sums: Vec<(ProductId, i64, Option<Won>)> = Vec::new();
        for (product, units, price) in lines {
            if units < 1 {
                return Err(Refusal::InvalidQuantity { product_id: product });
            }
            match sums.iter_mut().find(|(known, ..)| *known == product) {
                None => sums.push((product, units, price)),
                Some((_, _, Some(stated))) if price.is_some_and(|price| price != *stated) => {
                    return Err(Refusal::field(
                        "items",
                        format!("must not have different prices for product {product}"),
                    ));
                }
                Some((_, sum, stated)) => {
                    *sum = sum.saturating_add(units);
                    *stated = stated.or(price);
                }
            }
        }
        if sums.is_empty() {
            return Err(Refusal::EmptyOrder);
        }
        if sums.len() > MAX_PRODUCTS {
            return Err(Refusal::TooManyLines);
        }
        let line =
            |(product_id, units, expected_price): (ProductId, i64, _)| match Quantity::try_from(
                units,
            ) {
                Ok(quantity) => Ok(BasketLine { product_id, quantity, expected_price }),
                Err(InvalidQuantity) => Err(Refusal::InvalidQuantity { product_id }),
            };
        sums.into_iter().map(line).collect::<Result<_, _>>().map(Self)
    }

    /// An empty basket: what remains of a cart that was ordered. It cannot become an order.
    pub const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// The lines of the basket, one per product.
    pub fn lines(&self) -> &[BasketLine] {
        &self.0
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
    fn lines_of_one_product_are_summed_before_the_limits_are_checked() {
        let basket = Basket::of([
            (product("b"), 2, None),
            (product("a"), 1, Some(won(5))),
            (product("b"), 3, Some(won(7))),
            (product("a"), 1, None),
        ]);
        let lines: Vec<_> = basket
            .unwrap()
            .0
            .into_iter()
            .map(|line| (line.product_id, line.quantity.get(), line.expected_price))
            .collect();
        assert_eq!(lines, [(product("b"), 5, Some(won(7))), (product("a"), 2, Some(won(5)))]);
        let many_lines = (0..100).map(|_| (product("a"), 1, None));
        assert!(Basket::of(many_lines).is_ok());
    }

    #[test]
    fn a_basket_is_not_empty_and_has_limits() {
        let out_of_range = || Err(Refusal::InvalidQuantity { product_id: product("a") });
        assert_eq!(Basket::of([]), Err(Refusal::EmptyOrder));
        let products =
            |count: usize| Basket::of((0..count).map(|n| (product(&format!("p{n}")), 1, None)));
        assert!(products(MAX_PRODUCTS).is_ok());
        assert_eq!(products(MAX_PRODUCTS + 1), Err(Refusal::TooManyLines));
        for units in [0, -1, i64::MIN, Quantity::MAX + 1, i64::MAX] {
            let basket = Basket::of([(product("a"), units, None)]);
            assert_eq!(basket, out_of_range(), "{units}");
        }
        let over = Basket::of([(product("a"), Quantity::MAX, None), (product("a"), 1, None)]);
        assert_eq!(over, out_of_range());
        let huge = Basket::of([(product("a"), i64::MAX, None), (product("a"), i64::MAX, None)]);
        assert_eq!(huge, out_of_range());
        let two_prices =
            Basket::of([(product("a"), 1, Some(won(1))), (product("a"), 1, Some(won(2)))]);
        assert!(matches!(two_prices, Err(Refusal::MalformedRequest { .. })));
    }
}
