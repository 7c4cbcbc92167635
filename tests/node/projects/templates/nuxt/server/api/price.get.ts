export default defineEventHandler(() => {
  const item = { cents: 1250 };
  return { cents: item.cents };
});
