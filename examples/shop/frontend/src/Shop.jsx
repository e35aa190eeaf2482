import { useEffect, useState } from "react";
import { fetchProducts, placeOrder } from "./api.js";

const price = new Intl.NumberFormat([], { style: "currency", currency: "EUR" });

export default function Shop() {
  const [products, setProducts] = useState([]);
  const [email, setEmail] = useState("");
  const [notice, setNotice] = useState("");

  useEffect(() => {
    fetchProducts().then(setProducts, (error) => setNotice(error.message));
  }, []);

  async function order(product) {
    try {
      const number = await placeOrder(product.id, email);
      setNotice(`Order ${number}: ${product.name} is on its way to ${email}.`);
    } catch (error) {
      setNotice(error.message);
    }
  }

  return (
    <main>
      <h1>Shop</h1>
      <label>
        Email <input type="email" value={email} onChange={(event) => setEmail(event.target.value)} />
      </label>
      <ul>
        {products.map((product) => (
          <li key={product.id}>
            <span>{product.name}</span>
            <span>{price.format(product.price_cents / 100)}</span>
            <button disabled={!email} onClick={() => order(product)}>
              Order
            </button>
          </li>
        ))}
      </ul>
      <p role="status">{notice}</p>
    </main>
  );
}
