//! The Lambda function `get-product`.

fn main() -> Result<(), edge::Error> {
    edge::run(&products::get_product::function())
}
