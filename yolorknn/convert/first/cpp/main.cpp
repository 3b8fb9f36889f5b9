// Detects on one picture with a .rknn for RV1109, RV1126, RK1808, RK1806 or RK3399Pro: ./detect MODEL.rknn PICTURE.ppm
// Nothing but the C++ library and the vendor's librknn_api is needed. A picture is a binary PPM (P6), as
// `ffmpeg -i camera.jpg picture.ppm` writes. Each object is a line of JSON on stdout, its box in pixels of the picture.

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "model.h"
#include "rknn_api.h"

namespace {

constexpr int kMostBoxes = 300;
constexpr std::uint8_t kPadding = 114;

struct Picture {
    int width = 0, height = 0;
    std::vector<std::uint8_t> rgb;
};

struct Box {
    double x1, y1, x2, y2;
    float confidence;
    int class_id;
};

// How a picture lies in the model's input.
struct Placed {
    int width, height, left, top;
};

std::vector<char> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Picture read_ppm(const std::string& path) {
    const std::vector<char> data = read_file(path);
    std::size_t at = 0;
    auto number = [&]() -> long {
        for (;;) {
            while (at < data.size() && std::isspace(static_cast<unsigned char>(data[at]))) ++at;
            if (at >= data.size() || data[at] != '#') break;
            while (at < data.size() && data[at] != '\n') ++at;
        }
        long value = 0;
        const std::size_t start = at;
        while (at < data.size() && data[at] >= '0' && data[at] <= '9' && value < 100000) value = 10 * value + (data[at++] - '0');
        if (at == start) throw std::runtime_error(path + " is no binary PPM (P6)");
        return value;
    };
    if (data.size() < 2 || data[0] != 'P' || data[1] != '6') throw std::runtime_error(path + " is no binary PPM (P6)");
    at = 2;
    const long width = number(), height = number(), most = number();
    ++at;  // the one blank before the pixels
    if (width < 1 || height < 1 || width > 32768 || height > 32768 || most != 255)
        throw std::runtime_error(path + " is no PPM of 8 bits a channel");
    const std::size_t size = 3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    if (data.size() - std::min(at, data.size()) < size) throw std::runtime_error(path + " is cut off");
    Picture picture;
    picture.width = static_cast<int>(width);
    picture.height = static_cast<int>(height);
    picture.rgb.assign(data.begin() + static_cast<std::ptrdiff_t>(at), data.begin() + static_cast<std::ptrdiff_t>(at + size));
    return picture;
}

// Lays the picture into the middle of the input, as the model was trained.
std::vector<std::uint8_t> letterbox(const Picture& picture, Placed& placed) {
    const double scale = std::min(double(model::kHeight) / picture.height, double(model::kWidth) / picture.width);
    placed.width = std::max(int(std::lround(picture.width * scale)), 1);
    placed.height = std::max(int(std::lround(picture.height * scale)), 1);
    placed.left = int(std::lround((model::kWidth - placed.width) / 2.0 - 0.1));
    placed.top = int(std::lround((model::kHeight - placed.height) / 2.0 - 0.1));
    std::vector<std::uint8_t> input(3u * model::kWidth * model::kHeight, kPadding);
    const double by_x = double(picture.width) / placed.width, by_y = double(picture.height) / placed.height;
    for (int y = 0; y < placed.height; ++y) {
        const double from_y = std::min(std::max((y + 0.5) * by_y - 0.5, 0.0), picture.height - 1.0);
        const int y0 = int(from_y), y1 = std::min(y0 + 1, picture.height - 1);
        const double part_y = from_y - y0;
        for (int x = 0; x < placed.width; ++x) {
            const double from_x = std::min(std::max((x + 0.5) * by_x - 0.5, 0.0), picture.width - 1.0);
            const int x0 = int(from_x), x1 = std::min(x0 + 1, picture.width - 1);
            const double part_x = from_x - x0;
            std::uint8_t* out = &input[3u * (std::size_t(y + placed.top) * model::kWidth + std::size_t(x + placed.left))];
            for (int channel = 0; channel < 3; ++channel) {
                auto pixel = [&](int row, int column) {
                    return double(picture.rgb[3u * (std::size_t(row) * picture.width + std::size_t(column)) + std::size_t(channel)]);
                };
                const double above = pixel(y0, x0) * (1 - part_x) + pixel(y0, x1) * part_x;
                const double below = pixel(y1, x0) * (1 - part_x) + pixel(y1, x1) * part_x;
                out[model::kSwapped ? 2 - channel : channel] = std::uint8_t(std::lround(above * (1 - part_y) + below * part_y));
            }
        }
    }
    return input;
}

// The distance from a cell's centre to a side, in cells: the mean of the bins, each as probable as its logit says.
double distance(const float* bins, std::size_t cells) {
    if (model::kBins == 1) return bins[0];
    double most = bins[0];
    for (int bin = 1; bin < model::kBins; ++bin) most = std::max(most, double(bins[std::size_t(bin) * cells]));
    double sum = 0, mean = 0;
    for (int bin = 0; bin < model::kBins; ++bin) {
        const double weight = std::exp(bins[std::size_t(bin) * cells] - most);
        sum += weight;
        mean += bin * weight;
    }
    return mean / sum;
}

void decode(const float* boxes, const float* scores, int stride, float conf, std::vector<Box>& found) {
    const int rows = model::kHeight / stride, columns = model::kWidth / stride;
    const std::size_t cells = std::size_t(rows) * std::size_t(columns);
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            const std::size_t cell = std::size_t(row) * std::size_t(columns) + std::size_t(column);
            auto score = [&](int id) { return scores[std::size_t(id) * cells + cell]; };
            int best = 0;
            for (int id = 1; id < model::kClasses; ++id)
                if (score(id) > score(best)) best = id;
            if (!(score(best) > conf)) continue;
            double side[4];
            for (int number = 0; number < 4; ++number)
                side[number] = distance(boxes + std::size_t(number * model::kBins) * cells + cell, cells);
            const double x = column + 0.5, y = row + 0.5;
            for (int id = 0; id < model::kClasses; ++id)  // of an end-to-end model each class that is above, else the best
                if (model::kEndToEnd ? score(id) > conf : id == best)
                    found.push_back({(x - side[0]) * stride, (y - side[1]) * stride, (x + side[2]) * stride,
                                     (y + side[3]) * stride, score(id), id});
        }
    }
}

double overlap(const Box& a, const Box& b) {
    const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1), height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    if (width <= 0 || height <= 0) return 0;
    const double both = width * height;
    return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

std::vector<Box> suppressed(std::vector<Box> boxes, float iou) {
    std::stable_sort(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) { return a.confidence > b.confidence; });
    std::vector<Box> kept;
    for (const Box& box : boxes) {
        if (int(kept.size()) == kMostBoxes) break;
        const bool hidden = !model::kEndToEnd && std::any_of(kept.begin(), kept.end(), [&](const Box& other) {
            return other.class_id == box.class_id && overlap(other, box) > iou;
        });
        if (!hidden) kept.push_back(box);
    }
    return kept;
}

// What rknn_init's numbers mean.
std::string meaning(int code) {
    switch (code) {
        case -3: return ": the NPU's driver is not loaded, or something else uses it";
        case -6: return ": it is no .rknn of rknn-toolkit 1.x";
        case -10:
        case -12: return ": the driver is older than the toolkit that built it: update both to one version";
        case -11: return ": it was pre-compiled for another version of the driver";
        case -13: return ": it is built for the other family of chips";
        case -14: return ": it is not pre-compiled, and this board has the mini driver, which takes no other";
        default: return "";
    }
}

void check(int code, const char* call) {
    if (code != RKNN_SUCC) throw std::runtime_error(std::string(call) + " returned " + std::to_string(code) + meaning(code));
}

// The model on the NPU, freed in the end.
class Npu {
public:
    explicit Npu(const std::string& path) : data_(read_file(path)) {
        check(rknn_init(&context_, data_.data(), std::uint32_t(data_.size()), 0), "rknn_init");
        open_ = true;
        rknn_input_output_num count{};
        check(rknn_query(context_, RKNN_QUERY_IN_OUT_NUM, &count, sizeof count), "rknn_query");
        if (count.n_input != 1 || count.n_output != std::size(model::kOutputs))
            throw std::runtime_error(path + " has other inputs and outputs than the model that this program was made for");
    }
    Npu(const Npu&) = delete;
    Npu& operator=(const Npu&) = delete;
    ~Npu() {
        if (open_) rknn_destroy(context_);
    }

    std::vector<Box> detect(std::vector<std::uint8_t>& input, float conf) {
        rknn_input given{};
        given.buf = input.data();
        given.size = std::uint32_t(input.size());
        given.type = RKNN_TENSOR_UINT8;
        given.fmt = RKNN_TENSOR_NHWC;
        check(rknn_inputs_set(context_, 1, &given), "rknn_inputs_set");
        check(rknn_run(context_, nullptr), "rknn_run");
        constexpr std::size_t number = std::size(model::kOutputs);
        rknn_output outputs[number]{};
        for (std::size_t index = 0; index < number; ++index) {
            outputs[index].index = std::uint32_t(index);
            outputs[index].want_float = 1;
        }
        check(rknn_outputs_get(context_, number, outputs, nullptr), "rknn_outputs_get");
        std::vector<Box> found;
        bool whole = true;
        for (std::size_t index = 0; index < number; ++index)
            whole = whole && outputs[index].size == model::kOutputs[index].elements * sizeof(float);
        for (const model::Level& level : model::kLevels)
            if (whole)
                decode(static_cast<const float*>(outputs[level.boxes].buf), static_cast<const float*>(outputs[level.scores].buf),
                       level.stride, conf, found);
        rknn_outputs_release(context_, number, outputs);
        if (!whole) throw std::runtime_error("the outputs are of other sizes than those of the model that this program was made for");
        return found;
    }

private:
    std::vector<char> data_;
    rknn_context context_{};
    bool open_ = false;
};

float threshold(const char* text) {
    char* end = nullptr;
    const float value = std::strtof(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1)) throw std::runtime_error(std::string(text) + " is not between 0 and 1");
    return value;
}

}  // namespace

int main(int count, char** words) {
    if (count < 3 || count > 5) {
        std::fprintf(stderr, "usage: %s MODEL.rknn PICTURE.ppm [CONF [IOU]]\n", words[0]);
        return 2;
    }
    try {
        const float conf = count > 3 ? threshold(words[3]) : 0.25f, iou = count > 4 ? threshold(words[4]) : 0.7f;
        const Picture picture = read_ppm(words[2]);
        Placed placed{};
        std::vector<std::uint8_t> input = letterbox(picture, placed);
        Npu npu(words[1]);
        for (Box box : suppressed(npu.detect(input, conf), iou)) {
            const double by_x = double(picture.width) / placed.width, by_y = double(picture.height) / placed.height;
            auto x = [&](double at) { return std::min(std::max((at - placed.left) * by_x, 0.0), double(picture.width)); };
            auto y = [&](double at) { return std::min(std::max((at - placed.top) * by_y, 0.0), double(picture.height)); };
            std::printf("{\"class_id\": %d, \"name\": %s, \"confidence\": %.4f, \"xyxy\": [%.2f, %.2f, %.2f, %.2f]}\n", box.class_id,
                        model::kNames[box.class_id], double(box.confidence), x(box.x1), y(box.y1), x(box.x2), y(box.y2));
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
    return 0;
}
