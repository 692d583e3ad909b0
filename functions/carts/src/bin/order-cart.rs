//! The Lambda function `order-cart`.

fn main() -> Result<(), edge::Error> {
    edge::run(&carts::order_cart::function())
}
