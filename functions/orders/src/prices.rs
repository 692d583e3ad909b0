//! What a warm function remembers of products, so that an order needs no read first.
//!
//! A memory is only a guess: the transaction asserts it, and a wrong guess sells nothing.

use domain::{
    ProductId, StoreId, Won,
    basket::{Basket, Wish},
    request::{OrderRequest, Terms},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Products that are remembered at the most; beyond that, all are forgotten and learnt anew.
const MEMORY: usize = 10_000;

/// What an order asserts of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) price: Won,
    pub(crate) store_id: Option<StoreId>,
}

/// The offers that this environment has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices(Arc<Mutex<HashMap<ProductId, Offer>>>);

impl Prices {
    /// The terms as far as they are known: from the prices that the customer stated, else from memory. None if a price
    /// is not known, or if the stores do not add up to an order: then the truth must be read.
    pub(crate) fn guess(&self, request: &OrderRequest) -> Option<Terms> {
        // What a coupon takes off is known to its row alone, and what a customer's unpaid orders hold to theirs.
        if request.coupon_id.is_some() || request.may_hold() {
            return None;
        }
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_position = request.delivery.as_ref().is_some_and(|delivery| delivery.position().is_some());
        let offer = |wish: &Wish| match (memory.get(&wish.product_id), wish.expected_price) {
            (Some(known), stated) => Some(Offer { price: stated.unwrap_or(known.price), ..known.clone() }),
            // No rider could find where it goes: most likely no store's product.
            (None, Some(price)) if !has_position => Some(Offer { price, store_id: None }),
            (None, _) => None,
        };
        let offers: Vec<Offer> = request.basket.wishes().iter().map(offer).collect::<Option<_>>()?;
        let store_id = offers.first()?.store_id.clone();
        let adds_up = offers.iter().all(|offer| offer.store_id == store_id) && (store_id.is_none() || has_position);
        let unit_prices = offers.into_iter().map(|offer| offer.price).collect();
        adds_up.then_some(Terms { unit_prices, store_id, discount: Won::ZERO })
    }

    /// Remembers the terms on which a basket was sold.
    pub(crate) fn learn(&self, basket: &Basket, terms: &Terms) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() + basket.wishes().len() > MEMORY {
            memory.clear();
        }
        for (wish, price) in basket.wishes().iter().zip(&terms.unit_prices) {
            memory.insert(wish.product_id.clone(), Offer { price: *price, store_id: terms.store_id.clone() });
        }
    }
}
