//! The Lambda function `get-cart`.

fn main() -> Result<(), edge::Error> {
    edge::run(&carts::get_cart::function())
}
