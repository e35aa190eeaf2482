// The backend's address: empty where it answers under the page's own, behind /api.
const BASE = import.meta.env.VITE_API_URL ?? "";

async function request(path, options) {
  const response = await fetch(`${BASE}/api${path}`, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The shop answered ${response.status}.`);
  return answer;
}

export async function fetchProducts() {
  return (await request("/products")).products;
}

export async function placeOrder(product, email) {
  const body = JSON.stringify({ product, email });
  const answer = await request("/orders", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return answer.order;
}
