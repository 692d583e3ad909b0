//! Prices that a warm environment remembers, so that an order needs no read first.
//!
//! A remembered price is a guess: the transaction asserts it, and a wrong guess sells nothing.

use domain::{
    ProductId, StoreId, Won,
    basket::{Basket, BasketLine},
    request::{OrderRequest, Terms},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The most products that are remembered; beyond that, all are forgotten.
const MEMORY: usize = 10_000;

/// What an order asserts about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) price: Won,
    pub(crate) store_id: Option<StoreId>,
}

/// The offers that this environment has seen last.
#[derive(Debug, Clone, Default)]
pub(crate) struct PriceMemory(Arc<Mutex<HashMap<ProductId, Offer>>>);

impl PriceMemory {
    /// The probable terms: from the prices that the customer stated, else from memory. `None` if a
    /// price is unknown or the products belong to different stores, as far as is known: then the
    /// terms must be read.
    pub(crate) fn recall(&self, request: &OrderRequest) -> Option<Terms> {
        // A coupon's discount and a customer's reservations are not remembered.
        if request.coupon_id.is_some() || request.may_reserve() {
            return None;
        }
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_position =
            request.delivery.as_ref().is_some_and(|delivery| delivery.position().is_some());
        let offer = |line: &BasketLine| match (memory.get(&line.product_id), line.expected_price) {
            (Some(known), stated) => {
                Some(Offer { price: stated.unwrap_or(known.price), ..known.clone() })
            }
            // Without a position no rider could deliver it: it is probably not a store's product.
            (None, Some(price)) if !has_position => Some(Offer { price, store_id: None }),
            (None, _) => None,
        };
        let offers: Vec<Offer> = request.basket.lines().iter().map(offer).collect::<Option<_>>()?;
        let store_id = offers.first()?.store_id.clone();
        let adds_up = offers.iter().all(|offer| offer.store_id == store_id)
            && (store_id.is_none() || has_position);
        let unit_prices = offers.into_iter().map(|offer| offer.price).collect();
        adds_up.then_some(Terms { unit_prices, store_id, discount: Won::ZERO })
    }

    /// Remembers the terms on which a basket was sold.
    pub(crate) fn remember(&self, basket: &Basket, terms: &Terms) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() + basket.lines().len() > MEMORY {
            memory.clear();
        }
        for (line, price) in basket.lines().iter().zip(&terms.unit_prices) {
            memory.insert(
                line.product_id.clone(),
                Offer { price: *price, store_id: terms.store_id.clone() },
            );
        }
    }
}
